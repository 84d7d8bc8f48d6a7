# The judge of tests/norms/test_against_psych.py: R's psych over tests/norms/answers.csv. Run in this folder: Rscript psych.R > psych.json
suppressPackageStartupMessages(library(psych))
answers <- read.csv("answers.csv")
first <- answers[answers$session == 1, grep("^q", names(answers))]
found <- suppressWarnings(alpha(first, check.keys = FALSE, warnings = FALSE))
feldt <- alpha.ci(found$total$raw_alpha, n.obs = nrow(first), n.var = ncol(first))
total <- omega(first, nfactors = 1, fm = "ml", plot = FALSE)$omega.tot
sums <- rowSums(answers[, grep("^q", names(answers))])
pair <- cbind(sums[answers$session == 1], sums[answers$session == 2])
icc <- suppressWarnings(ICC(pair, lmer = FALSE))$results["Single_random_raters", ]
list_of <- function(values) paste(sprintf("%.6f", values), collapse = ", ")
cat(sprintf('{"software": "psych %s, %s",\n', packageVersion("psych"), R.version.string))
cat(sprintf(' "n": %d, "mean": %.6f, "sd": %.6f,\n', nrow(first), mean(rowSums(first)), sd(rowSums(first))))
cat(sprintf(' "alpha": [%s],\n', list_of(c(found$total$raw_alpha, feldt$lower.ci, feldt$upper.ci))))
cat(sprintf(' "omega_of_correlations": %.6f,\n', total))
cat(sprintf(' "icc": [%s],\n', list_of(unlist(icc[c("ICC", "lower bound", "upper bound")]))))
cat(sprintf(' "item_mean": [%s],\n', list_of(found$item.stats$mean)))
cat(sprintf(' "item_sd": [%s],\n', list_of(found$item.stats$sd)))
cat(sprintf(' "item_rest": [%s],\n', list_of(found$item.stats$r.drop)))
cat(sprintf(' "alpha_without": [%s]}\n', list_of(found$alpha.drop$raw_alpha)))
