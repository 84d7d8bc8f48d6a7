"""What checks find and say in English: of the ledger, of the log, of an EHR beside it, of a set-up. For translation.

Places to fill are named for what stands there; `plugin.pages.retold` finds them again.
"""

from plugin.pages.words import N_

OF_VERIFICATION = (
    N_("The trail tells of it, and it is gone."),
    N_("The trail does not tell of it."),
    N_("It names another user than the trail, or one where the trail names none."),
    N_("The trail tells that it was ended, and it counts as going on."),
    N_("It counts as ended, and the trail does not tell so, or of another time."),
    N_("It is of another patient or site than the trail tells."),
    N_("Its %(what)s is not what the trail tells."),
    N_("It is in a state that there is not."),
    N_("It counts as %(state)s, and has a response."),
    N_("It counts as %(state)s, and no response came of it."),
    N_("It counts as %(state)s, and the trail does not tell so."),
    N_("It counts as %(state)s, and the trail tells that it was closed."),
    N_("Whether it was opened is not what the trail tells."),
    N_("It was opened at another time than the trail tells."),
    N_("What the caregiver said is not what the trail tells."),
    N_("The caregiver said it at another time than the trail tells."),
    N_("Time-stamps cannot be checked: install rapport-fhir[timestamps]"),
    N_("The time-stamp cannot be read."),
    N_("The time-stamp does not hold: %(why)s"),
    N_("The trail does not tell that it was received."),
    N_("Attempts to deliver it: %(many)s stored, %(most)s in the trail."),
    N_("Later versions of it: %(many)s stored, %(most)s in the trail."),
    N_("Its delivery counts %(many)s later versions, and %(most)s are stored."),
    N_("Scores of it by another version of its form: %(many)s stored, %(most)s in the trail."),
    N_("It has no delivery: it will never reach the record."),
    N_("Its delivery is for another site."),
    N_("Its delivery is in a state that there is not."),
    N_("An attempt delivered it, and it does not count as delivered."),
    N_("It has a time of delivery, and does not count as delivered."),
    N_("It counts as %(state)s, and no attempt ended so."),
    N_("It counts as discarded, and the trail does not tell by whom."),
    N_("It has other addresses in the EHR than the trail tells."),
    N_("It counts %(many)s attempts, and %(most)s are stored."),
    N_("It says something else than its last attempt."),
    N_("It counts as delivered, and no attempt delivered it."),
    N_("It has another time of delivery than the attempt that delivered it."),
    N_("It counts %(many)s attempts, and the trail tells of %(most)s."),
    N_("It counts as %(state)s, and its last attempt did not end so."),
    N_("It has another address in the EHR than the trail tells."),
    N_("It is about somebody else than its answers."),
    N_("It names another person as having answered, or nobody."),
    N_("It stands under another code."),
    N_("The stored Observation is not what the answers give."),
    N_("Stored as %(title)s; the form is for the %(who)s."),
    N_("The stored answers are no response."),
    N_("The stored answers are no response to their form about this patient."),
    N_("The answers do not fit the form that scored them again."),
    N_("A version before it is missing."),
    N_("It is not the version before it, marked."),
    N_("The answers name another form, or another version of it, than the row."),
    N_("The answers are about somebody else than the row."),
    N_("The answers name another person than the row, or nobody."),
    N_("The answers name another contact than the row, or none."),
    N_("The answers have another date than the row."),
    N_("%(many)s scores are stored; its key gives %(most)s."),
    N_("One of its Observations is stored twice."),
    N_("It has no value, and its answers give one."),
    N_("No answers give such a value."),
    N_("It has another date than its answers."),
    N_("Its answers are newer than it."),
    N_("Its Provenance cannot be read."),
    N_("Its Provenance names another form, version or key than the row."),
    N_("Its Provenance names another version of this software than the row."),
    N_("Its Provenance tells another %(what)s."),
    N_("Whether %(place)s has its seals: this database role may not read it."),
    N_("Its row of %(place)s is not as Rapport last wrote it."),
    N_("The database says that its schema is %(states)s; this software made it %(place)s."),
    N_("Rapport did not make it."),
    N_("It is another than Rapport made."),
    N_("It has another type than Rapport gave it."),
    N_("Whether it may be empty is not as Rapport made it."),
    N_("It has another default than Rapport gave it."),
    N_("It is gone."),
    N_("Its %(what)s is of the kind %(kind)s, and the column's is %(other)s."),
    N_("It is declared with %(what)s, and Rapport made it without."),
    N_("It does not hold the rows of its table: a search by it leaves some out."),
    N_("SQLite finds its file damaged: %(why)s."),
    N_("Anything but the schema: without %(what)s the ledger cannot be read."),
    N_("Whether %(place)s opens: this database role may not read it."),
    N_("A sealed value was altered or moved."),
    N_("The sealed %(what)s of row %(id)s was altered or moved"),
    N_("No key with id %(id)s is configured"),
    N_("Its %(name)s is no moment."),
    N_("Its %(name)s is no text."),
    N_("Its rater is none that there is."),
    N_("A later version of it cannot be read."),
    N_("The state of its delivery is none that there is."),
    N_("Its delivery is gone."),
    N_("The kind of version %(many)s is none that there is."),
    N_("It was altered and does not open: whom and what it names cannot be told."),
    N_("What is kept of it does not open: there is nothing to compare the EHR's record with."),
    N_("Its tokens and context are gone, and no retention accounts for that."),
    N_("It is no audit entry."),
    N_("The entry does not have the digest that was stored with it."),
    N_("Its columns say something else than the entry."),
    N_("%(many)s norms were %(place)s, and the trail tells of %(most)s."),
    N_("%(many)s rows of %(place)s are stored, and the trail tells of %(most)s that were %(state)s."),
    N_("%(many)s configurations are kept, and the trail tells of %(most)s."),
    N_("%(many)s erasures are kept, and the trail tells of %(most)s."),
    N_("There is no signed checkpoint."),
    N_("The leaves from %(many)s to %(most)s are gone."),
    N_("The published entry is another one."),
    N_("The log knows no such kind of row."),
    N_("It was logged and is gone."),
    N_("The published tiles do not give the signed root."),
    N_("It is not made of the tiles below."),
    N_("It is not how the wider version of it begins."),
    N_("It is not as long as its name says."),
    N_("Its hash %(many)s is not that of the entry."),
    N_("The published entries do not give the signed root."),
    N_("It waits for the log, and there is no such row."),
    N_("It waits for the log, which has it."),
    N_("It waits for the log, which takes nothing of this kind."),
    N_("The log could not take it: %(why)s"),
    N_("it cannot be read (%(error)s)"),
    N_("The log has it twice."),
    N_(
        "The log is signed for %(many)s entries and the ledger has %(most)s: it was restored from an "
        "older state, or rows are gone."
    ),
    N_(
        "The log is signed for %(many)s entries and the ledger has %(most)s: it was restored from a "
        "backup, or rows are gone."
    ),
    N_("The ledger's leaves from %(many)s on have a gap."),
    N_("The ledger's leaves do not give the signed root."),
    N_(
        "It is signed for %(many)s entries, and %(most)s later ones are older than %(status)s minutes: "
        "an older checkpoint was put back, or the log stands still (start Rapport: it signs within "
        "seconds)."
    ),
    N_(
        "The log's files go as far as entry %(many)s, and the ledger has %(most)s, which is where every entry stands first: "
        "ledger and checkpoint were restored from an older state, or files were added."
    ),
    N_(
        "It tells a time %(many)s minutes before that of the entry written before it: the machine's clock was set back, "
        "or had gone ahead."
    ),
    N_("Its leaf counts as erased, and the row stands: it cannot be checked."),
    N_("It was logged, is gone, and its leaf counts as erased; no erasure accounts for it."),
    N_("The salt of its leaf and the time of erasure do not fit."),
    N_("The stored results cannot be read."),
    N_("The answers do not have the digest that was stored with them."),
    N_("%(form)s is not installed in this version."),
    N_("The key of %(form)s has another hash than the one that scored."),
    N_("%(many)s responses are stored under one identifier."),
    N_("%(many)s responses are stored under one invitation."),
    N_("%(many)s responses, %(most)s audit entries, %(status)s leaves, %(years)s erased"),
    N_("not at sealed tokens and drafts, which this database role may not read"),
    N_("%(counts)s, and the EHR of %(site)s"),
    N_("the whole ledger"),
    N_("It was stopped before its end: the process ended, or it took too long"),
    N_("It failed (%(error)s)"),
    N_("%(form)s is not installed in this version: its scores are shown as stored."),
    N_("The stored answers are no response to their form: its scores are shown as stored."),
)
"""What `plugin.verify` finds, and how far it came."""

OF_LOG = (
    N_("The cosignature of %(name)s is wrong."),
    N_("The checkpoint is not cosigned by %(name)s."),
    N_("The checkpoint is not a signed note."),
    N_("The checkpoint is cut off or altered at its end."),
    N_("Something stands in the checkpoint that is no signature."),
    N_("The checkpoint is not signed by %(name)s."),
    N_("The checkpoint's signature is wrong: it was altered."),
    N_("The checkpoint is not one of this log."),
    N_("The checkpoint's root is not a SHA-256 hash."),
    N_("A tree of %(many)s cannot continue one of %(most)s."),
    N_("Trees of one size have different roots, or the proof is not empty."),
    N_("The consistency proof is empty."),
    N_("The tree does not continue the earlier one: the log was altered or forked."),
    N_("The proof is too long."),
    N_("The proof is too short."),
    N_("There is no leaf %(many)s in a tree of %(most)s."),
    N_("The inclusion proof does not lead to the root."),
    N_("The tile %(place)s of the log has a wrong length."),
    N_("The entries %(many)s of the log have a wrong length."),
    N_("The tile %(place)s of the log is missing."),
)
"""What does not hold in the transparency log."""

OF_COMPARISON = (
    N_("The patient's record was not compared: %(why)s"),
    N_("It stands in the EHR, and counts as %(state)s."),
    N_("It is not as version %(many)s has it, whose delivery counts as %(state)s: correct it by hand."),
    N_("It stands %(many)s times: %(places)s."),
    N_("It does not stand in the EHR."),
    N_("What stands there is not what was delivered."),
    N_("Its identifier is another one, or gone."),
    N_("It was delivered, and does not stand in the EHR."),
    N_("The response was delivered, and does not stand in the EHR."),
    N_("The Provenance was delivered, and does not stand in the EHR."),
    N_("Whether Provenance is as it was delivered. %(why)s"),
    N_("Whether responses are newer than their scores. %(why)s"),
    N_("It has an identifier of Rapport's, and the ledger has no response %(id)s."),
    N_("It stands in the record of somebody else."),
    N_("The ledger does not account for it: response %(id)s has no delivery, or no such score."),
    N_("The EHR does not declare that Observations are searched by identifier."),
    N_(
        "Results of patients of whom everything was erased here: they stand in the EHR, and nothing to "
        "compare with."
    ),
    N_(
        "Results whose answers were removed here by the site's retention: nothing is left to compare "
        "them with."
    ),
    N_("Results of Rapport's with patients whom the ledger does not know. %(why)s"),
    N_("It groups other scores than its own."),
    N_("It says that it was computed from another response."),
    N_("%(why)s It was asked %(many)s times."),
    N_("It was withdrawn in the EHR."),
    N_("Its status is another one."),
    N_("Its category is another one."),
    N_("Its date is another one."),
    N_("The response was withdrawn in the EHR, and its scores stand."),
    N_("The answers in the EHR are others than those that were scored."),
    N_("The response in the EHR is newer than the one that was scored."),
    N_("The response in the EHR has another date than the one that was scored."),
    N_("The response in the EHR names another form, or another version of it."),
    N_("The response stands in the record of somebody else."),
    N_("The response names another person as having answered."),
    N_("It is about other resources than those that were delivered."),
    N_("It names another source than the response that was scored."),
    N_("It has another time."),
    N_("It tells of something else that was done."),
    N_("It names another form, or another version of it."),
    N_("It tells another content hash of the form."),
    N_("It names another person as having answered, or none."),
    N_("It names another person as having changed it, or none."),
    N_("It names another software that computed the scores, or none."),
    N_("The author acts on behalf of another organization, or of none."),
    N_("The assembler acts on behalf of another organization, or of none."),
    N_("Its value is gone."),
    N_("Its value is another one."),
    N_("Its unit is another one."),
    N_("Whether it has a value is told differently."),
    N_("Its range is another one."),
    N_("It belongs to another contact, or to none."),
    N_("It tells another time at which it was issued."),
    N_("%(name)s stands there as version %(new)s, and Rapport wrote version %(old)s last."),
    N_("Its %(what)s is not what was delivered."),
    N_("The status of the response is another one."),
    N_("The words or weights of its questions and answers are others than those that were delivered."),
    N_("The response names another person as having recorded it, or nobody."),
    N_("The EHR has not answered within %(seconds)s seconds. Nothing was compared: try again later."),
)
"""What `plugin.comparing` finds in an EHR."""

PLACES = (
    N_("response %(id)s"),
    N_("version %(id)s"),
    N_("rescoring %(id)s"),
    N_("audit entry %(id)s"),
    N_("launch %(id)s"),
    N_("invitation %(id)s"),
    N_("note %(id)s"),
    N_("attempt %(id)s"),
    N_("review %(id)s"),
    N_("norm %(id)s"),
    N_("delivery of response %(id)s"),
    N_("attempt of response %(id)s"),
    N_("delivery of note %(id)s"),
    N_("kept checkpoint %(id)s"),
    N_("older checkpoint"),
    N_("checkpoint"),
    N_("leaf %(id)s"),
    N_("tile %(id)s"),
    N_("tiles"),
    N_("entries"),
    N_("ledger"),
    N_("norms"),
    N_("reviews"),
    N_("configurations"),
    N_("erasures"),
    N_("a row of the ledger"),
    N_("primary key of %(id)s"),
    N_("table %(id)s"),
    N_("column %(id)s"),
    N_("index %(id)s on %(old)s"),
    N_("constraint %(id)s on %(old)s"),
    N_("foreign key %(id)s on %(old)s"),
    N_("trigger %(id)s on %(old)s"),
    N_("view %(id)s"),
    N_("not known"),
)
"""Where something was found: pieces of what stands before the sentence."""

STATES = (
    N_("scored"),
    N_("sending"),
    N_("delivered"),
    N_("held"),
    N_("refused"),
    N_("set-aside"),
    N_("discarded"),
    N_("created"),
    N_("opened"),
    N_("submitted"),
    N_("withdrawn"),
    N_("expired"),
    N_("adopted"),
    N_("drawn"),
    N_("signed"),
    N_("agreed"),
)
"""How far a delivery, an invitation or a decision is, within a sentence."""

MEMBERS = (
    N_("value"),
    N_("status"),
    N_("code"),
    N_("category"),
    N_("subject"),
    N_("date"),
    N_("answered by"),
    N_("no value because"),
)
"""What is set side by side of one result."""

OF_EXAMINATION = (
    N_("Server"),
    N_("Connection"),
    N_("Reading"),
    N_("Signing in"),
    N_("Writing"),
    N_("Collected by the EHR"),
    N_("Schedule"),
    N_("This is not the address of a FHIR server."),
    N_("Give its FHIR R4 base, such as https://ehr.example.org/fhir/r4."),
    N_("The address holds a name or password."),
    N_("Leave them out: nothing secret belongs into an address."),
    N_("The address is plain http."),
    N_("Use https: tokens and health data must not travel openly."),
    N_("The answer is larger than %(many)s MB."),
    N_("Check the address."),
    N_("The address redirects to %(host)s, which is not followed."),
    N_("Type the final address; if it is the EHR's, that is the one to configure."),
    N_("another address"),
    N_("The TLS connection to %(host)s failed: %(why)s"),
    N_("unknown reason"),
    N_(
        "Have the EHR's administrator install a certificate that this machine trusts; for an authority "
        "of your own set SSL_CERT_FILE."
    ),
    N_("There is no host %(host)s."),
    N_("Check the spelling, and whether this machine may look it up."),
    N_("%(host)s cannot be reached."),
    N_("Check address, port and firewall: Rapport's server has to reach the EHR, not only your browser."),
    N_("%(host)s took the question and did not answer in time."),
    N_("Try again, or with a longer --timeout; tell the EHR's administrator if it stays."),
    N_("%(host)s broke the connection."),
    N_("Try again; tell the EHR's administrator if it stays."),
    N_("No FHIR server answers here: metadata gave HTTP %(status)s, %(media)s, and no CapabilityStatement."),
    N_("no media type"),
    N_("Give the FHIR R4 base; vendors list it beside the registration of the app."),
    N_("The server speaks FHIR %(media)s; Rapport needs R4 (4.0.1)."),
    N_("of an unnamed version"),
    N_("Ask the vendor for the address of the R4 API."),
    N_("A FHIR server, FHIR %(media)s."),
    N_("It answers slowly (%(value)s s for one document)."),
    N_("Launches wait for such answers: tell the EHR's administrator if it stays."),
    N_("Patient, caregivers, encounter and clinician can be read."),
    N_("Not declared to be readable: %(kinds)s."),
    N_("Rapport then shows less of who is who; a missing Patient keeps it from working."),
    N_("Rapport got no token of its own: %(why)s"),
    N_("Rapport's own token may: %(scopes)s."),
    N_("Rapport's own token is given for a secret; SMART Backend Services ask for a signed assertion."),
    N_("Set private_key_jwt for this site, if the EHR takes that for tokens of the app's own."),
    N_("nothing"),
    N_("%(doing)s %(kind)s of the patient in context"),
    N_("%(doing)s %(kind)s that the user may reach"),
    N_("%(doing)s %(kind)s that the system may reach"),
    N_("any resource"),
    N_("create"),
    N_("read"),
    N_("update"),
    N_("delete"),
    N_("search"),
    N_("What the EHR's own forms collect is scored where its integrator calls $score."),
    N_("Found by a Subscription (topic %(place)s)."),
    N_("Found by asking again and again (_lastUpdated)."),
    N_("Found by asking again and again (_lastUpdated): %(why)s"),
    N_("Off: [site.collected] turns it on."),
    N_("the EHR declares no Subscription with a topic of QuestionnaireResponses"),
    N_("the granted scopes do not allow Subscriptions (system/Subscription.crd)"),
    N_("No way to find responses: %(why)s, and the settings allow nothing else."),
    N_("No way to find responses: the EHR does not declare that %(kind)s can be searched and read."),
    N_("No way to find responses: the EHR does not declare a search of %(kind)s by _lastUpdated."),
    N_("No way to find responses: the granted scopes do not allow to search %(kind)s."),
    N_("%(place)s is the site's schedule, and PlanDefinition is not declared to be read."),
    N_("%(place)s is the site's schedule, and PlanDefinition is not declared to be searched by url."),
    N_("Save the plan beside the settings: plan.json."),
    N_("%(place)s is read with Rapport's own token."),
    N_("%(place)s is read with the token of a launch."),
    N_("Have the EHR grant %(place)s; system/PlanDefinition.rs in backend_scopes reads it without a launch."),
    N_("The SMART configuration is not JSON of the expected form."),
    N_("Tell the EHR's vendor."),
    N_("There is no SMART configuration (.well-known/smart-configuration answers %(status)s)."),
    N_(
        "Rapport is launched by SMART App Launch 2: a bare FHIR server needs a SMART server in front of "
        "it. Ask the vendor for the SMART endpoint, which may have another address than the FHIR base."
    ),
    N_("The SMART configuration names no authorization endpoint."),
    N_("The SMART configuration names no token endpoint."),
    N_("The SMART configuration names no authorization and token endpoint."),
    N_("SMART App Launch with PKCE (S256)."),
    N_("PKCE with S256 is not offered, without which a launch is not safe."),
    N_("The EHR needs SMART App Launch 2: tell the vendor."),
    N_("Launch from the chart."),
    N_("Launch from the chart (launch-ehr) is not declared."),
    N_("Ask the vendor whether apps can be opened from the chart."),
    N_("That a launch brings the patient (context-ehr-patient) is not declared."),
    N_("Rapport needs the patient: ask the vendor."),
    N_("How an app authenticates is not declared."),
    N_("private_key_jwt is written below: ask the vendor."),
    N_("Rapport can authenticate with signed assertions (private_key_jwt)."),
    N_("Rapport can authenticate with a secret."),
    N_("Rapport can authenticate with no secret."),
    N_("Signing in leads to another host: %(kinds)s. It was not contacted."),
    N_("If it is the EHR's, the section below names it in extra_hosts; --allow lets the doctor ask it."),
    N_("The issuer of its id_tokens is on another host (%(place)s)."),
    N_("Nothing to do: its keys are read from the configured hosts."),
    N_("Rapport can have a token of its own (Backend Services)."),
    N_("Tokens of Rapport's own (Backend Services) are not declared."),
    N_("A result that cannot be delivered while the clinician is signed in waits for the next launch."),
    N_("Declared to be created: %(kinds)s."),
    N_("nothing that Rapport writes"),
    N_("All of it in one transaction."),
    N_("One after another: transactions are not offered, and not needed."),
    N_("%(kinds)s: not searchable by identifier; after a lost answer it is found by patient and day."),
    N_("%(kinds)s: not searchable; after a lost answer a person has to look into the chart."),
    N_("Ask the vendor for search of what the app may create."),
    N_("See %(place)s."),
)
"""What `plugin.doctor` finds of an EHR, and what can be done about it."""

OF_VENDORS = (
    N_(
        "Registration of Rapport: launch URL <base_url>/launch, redirect URL <base_url>/callback, JWKS "
        "URL <base_url>/.well-known/jwks.json."
    ),
    N_("The address of the SMART App Launch 2 endpoint for this FHIR server."),
    N_("Can creation of QuestionnaireResponse be enabled for this app?"),
    N_("Are answers taken to questionnaires that are not the EHR's own?"),
    N_("Which categories and codes are accepted for Observation? The CapabilityStatement does not say."),
    N_("Is there any other way to store scores, or may a companion FHIR server stand beside the EHR?"),
    N_(
        "Answers are taken only to questionnaires that Epic has assigned (error 59159), Observations "
        "only as flowsheet rows, notes as plain text."
    ),
    N_(
        "Which flowsheet rows (ids or LOINC codes) shall hold the scores, and is Observation.Create "
        "(Vital Signs) enabled for this app?"
    ),
    N_(
        "Is DocumentReference.Create (Clinical Notes) enabled for this app? An API that is not enabled "
        "answers 403 with an empty body."
    ),
    N_(
        "Observations are taken only in the categories vital-signs and laboratory, by a Practitioner; "
        "QuestionnaireResponses are not created."
    ),
    N_("Under which codes shall the scores stand as vital signs?"),
    N_("Which document type shall the summary have?"),
    N_("QuestionnaireResponse is the only one of our resources that athenaOne declares to create."),
    N_("Does athenaOne take answers to Rapport's own questionnaires, and where do clinicians see them?"),
    N_(
        "QuestionnaireResponse is the only one of our resources that MEDITECH Greenfield declares to "
        "create; it is not searched by identifier."
    ),
    N_("Does MEDITECH take answers to Rapport's own questionnaires, and where do clinicians see them?"),
    N_("Answers are taken only to questionnaires that the practice has."),
    N_("once the practice has Rapport's questionnaires; answers to others are refused"),
    N_("Can Rapport's questionnaires be added to those of the practice?"),
    N_("Responses and screening Observations are declared to be created; transactions are not."),
    N_("No FHIR write: results stay in Rapport, or go to a companion FHIR server."),
    N_("Full create, transactions and conditional creation."),
    N_("Everything can be created; a SMART server has to stand in front of it."),
)
"""What is known of kinds of EHR (`vendors.toml`), and what to ask their vendors."""

OF_TOKENS = (
    N_("%(name)s has no token introspection."),
    N_("Launch the app from the EHR instead, or ask the vendor for it."),
    N_("%(name)s does not let the app ask about tokens (HTTP %(status)s)."),
    N_("Ask the administrator to allow introspection for the app's registration."),
    N_("The answer of %(name)s about a token is not an introspection response."),
    N_("The answer of %(name)s about a token names a context that is not a FHIR id."),
    N_("The answer of %(name)s about a token has an expiry that is no point in time."),
    N_("%(name)s revokes no tokens."),
    N_("%(name)s does not let the app end its tokens (HTTP %(status)s)."),
    N_("They end by their own time."),
    N_("The token answer of %(name)s is not a token response."),
    N_("The token answer of %(name)s is of another type than Bearer."),
    N_("The token answer of %(name)s holds a token that cannot be sent."),
    N_("The token answer of %(name)s has an expires_in that is no number of seconds."),
    N_("The token answer of %(name)s names a %(kind)s that is not a FHIR id."),
    N_("Tell the EHR's vendor: the answer of its token endpoint breaks the standard."),
    N_("Tell the EHR's vendor or administrator; the app needs SMART App Launch 2."),
    N_("Ask the administrator to have the EHR allow this kind of access for the app."),
    N_("Ask the administrator to compare this site's scopes with the registration in the EHR."),
    N_("Ask the administrator whether the EHR offers this kind of access."),
    N_("The statement of %(name)s about who signed in cannot be trusted (%(form)s)."),
    N_("Open the app again; if it stays, tell the administrator."),
    N_("The %(what)s of %(name)s cannot be read."),
    N_("Try again later; if it stays, tell the EHR's vendor."),
    N_("revocation endpoint"),
    N_("key address"),
    N_("token endpoint"),
    N_("authorization endpoint"),
    N_("introspection endpoint"),
    N_("id_token issuer"),
    N_("SMART configuration"),
)
"""What can be wrong with tokens, and only a set-up can mend."""

OF_SCOPES = (N_("%(counts)s, where %(query)s"),)
"""What only some scopes say."""

OF_COLLECTING = (
    N_(
        "Rapport wrote it, and its answers were changed in the EHR since: the scores are those of what "
        "was answered in Rapport. Put it back in the EHR, or mark it as entered in error in Rapport and "
        "have the form filled in again."
    ),
    N_(
        "Rapport wrote it, and it was marked as entered in error in the EHR: its scores stand. If it is "
        "one, mark it so in Rapport."
    ),
    N_("It is no readable R4 response: %(where)s"),
    N_("It does not fit its form: %(where)s"),
    N_("Another response with the same identifier and other answers is kept already."),
    N_(
        "It was marked as entered in error, which cannot be taken back: its scores count no more. Have the "
        "form filled in again."
    ),
    N_("It is about somebody in another server's record: its subject must be Patient/<id> of this EHR."),
    N_("QuestionnaireResponse: the form said that single answers are shown to nobody, kept in Rapport"),
    N_("QuestionnaireResponse: the respondent did not agree that single answers are read, kept in Rapport"),
    N_("%(place)s: stood there beside %(other)s, marked as entered in error"),
)
"""Why `plugin.collecting` sets a response aside, and what else deliveries say."""

OF_INSTRUMENTS = (
    N_("There is no such folder or file. Correct the path where the settings name it."),
    N_("There is no such folder. Correct the setting `wording`."),
    N_("There is no instrument “%(form)s”. Name the folder after one of: %(where)s"),
    N_(
        "Another instrument has the %(kind)s %(form)s. Give each its own; forms that are the same need "
        "to be there once only."
    ),
    N_("The file has %(many)s bytes. Use a form of %(most)s bytes at most."),
    N_("The file cannot be read: %(where)s. Let Rapport's user read it."),
    N_("It is a %(kind)s, not a Questionnaire. Put Questionnaires here only, one a file."),
    N_("It is no FHIR resource. Put Questionnaires here only, one a file."),
    N_("The instrument has its wording in “%(form)s” already. Keep one of them."),
    N_("The pack is for “%(old)s”, not for “%(new)s”. Move it to that folder."),
    N_(
        "The pack is for version %(old)s, the instrument is %(new)s. Check the texts against the version"
        " and name it."
    ),
    N_("Its text is missing. Add it to “items”."),
    N_("The instrument has no such item. Correct the linkId or take it out."),
    N_("The text of the option “%(form)s” is missing. Add it to “options”."),
    N_("No item has the option “%(form)s”. Correct the code or take it out."),
    N_("Run `rapport instruments fetch`."),
    N_("%(form)s was not fetched yet. Run `rapport instruments fetch`."),
)
"""Why a form, or a wording of one, is left out: what its place and its pack can say; of its content see the log."""

PARTS = {
    "database": N_("Database"),
    "schema": N_("Database schema"),
    "instruments": N_("Forms"),
    "worker": N_("Delivery to the EHR"),
    "collector": N_("Collecting from the EHR"),
    "log": N_("Transparency log"),
}
"""The parts of an installation."""

FLAWS = {
    "mismatch": N_("Differs"),
    "missing-value": N_("Value missing"),
    "out-of-range": N_("Impossible value"),
    "altered": N_("Altered"),
    "deleted": N_("Deleted"),
    "not-logged": N_("Not in the log"),
    "duplicate": N_("Duplicate"),
    "orphan": N_("Without its counterpart"),
    "wrong-rater": N_("Another person answered"),
    "wrong-version": N_("Another form or version"),
    "wrong-key": N_("Another scoring key"),
    "not-verifiable": N_("Cannot be recomputed"),
    "provenance": N_("Origin differs"),
    "state": N_("State does not follow"),
    "trail": N_("Audit trail"),
    "log": N_("Log does not fit"),
    "schema": N_("Schema differs"),
    "missing": N_("Not in the EHR"),
    "stale": N_("Outdated"),
    "wrong-subject": N_("Another person’s record"),
    "wrong-date": N_("Another date"),
    "wrong-code": N_("Another code"),
    "file": N_("File of the export"),
}
"""What each kind of flaw is called."""

ROWS = {
    "audit": N_("Audit entry"),
    "response": N_("Response"),
    "attempt": N_("Delivery attempt"),
    "norm": N_("Norm"),
    "note": N_("Note for the record"),
    "review": N_("Review"),
    "sign_off": N_("Sign-off"),
    "revision": N_("Later version"),
    "rescoring": N_("Scored again"),
    "configuration": N_("Configuration"),
    "erasure": N_("Erasure"),
}
"""What the rows of the log are called."""

GATES = {
    "consent": N_("consent"),
    "together": N_("to be there"),
    "both": N_("consent, and to be there"),
}
"""What a caregiver is asked for first."""

OF_ABSENCES = (
    N_("Not computed: no answer to %(kinds)s"),
    N_("Not computed: the form gives no score for these answers"),
    N_("Not computed: %(why)s"),
    N_("Not computed"),
    N_("the numbers are too large to compute with"),
    N_("it gives %(many)s values where one is allowed"),
    N_("it gives something that is not a number"),
    N_("it meets %(many)s values where one is allowed"),
)
"""Why a score has no value, with the linkIds of what was not answered."""

OF_CHANGES = (
    N_("the EHR is slow"),
    N_("the sign-in to the EHR has ended"),
    N_("The response %(id)s is in the record."),
    N_("The response %(id)s is being sent just now."),
    N_("Correct it in the EHR."),
    N_("Wait until the attempt has ended, then try again."),
    N_("No %(place)s of %(site)s is set aside."),
    N_("`rapport collected list` shows those that are."),
    N_("Try again later."),
    N_("Ask whoever runs the EHR whether apps can search %(kind)s there."),
    N_("Ask the EHR for the scope %(place)s, and name it in the site's backend_scopes."),
    N_("The note is not one of the kind %(form)s."),
    N_("This is not a signed note."),
)
"""What stands against a change that a page asks for, or against the names on a supervisor's page."""

CHECKED = (
    *OF_VERIFICATION,
    *OF_LOG,
    *OF_COMPARISON,
    *OF_EXAMINATION,
    *OF_VENDORS,
    *OF_TOKENS,
    *OF_SCOPES,
    *OF_COLLECTING,
    *OF_INSTRUMENTS,
    *OF_ABSENCES,
    *OF_CHANGES,
)
