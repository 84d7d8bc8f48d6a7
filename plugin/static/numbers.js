// Numbers that are typed, in the digits of any script: what a browser's own field for numbers drops without a word.
// Of comma and point people write either; what may as well stand between thousands is not guessed at.

const NUMBER = /^([+-]?) ?(\d*)(?:([.,\u066b])(\d+))?$/;
const GROUPED = /^([+-]?) ?([1-9]\d{0,2}([ '\u2018\u2019,.\u066c])(?:\d{2,3}\3)*\d{3})(?:[.,\u066b](\d+))?$/;

function markOf(field) {
  try {
    const parts = new Intl.NumberFormat(field.closest("[lang]").lang).formatToParts(0.5);
    return parts.find(({ type }) => type === "decimal").value;
  } catch { return "."; } // the code of no language
}
const written = (number, field) => number.replace(".", markOf(field));

function join(sign, whole, part) {
  const number = `${whole.replace(/^0+(?=\d)/, "") || 0}${part ? `.${part}` : ""}`;
  return sign === "-" && /[1-9]/.test(number) ? `-${number}` : number;
}

// `number`: what was read, null if nothing could be. `grouped`: what it is if its marks are between thousands, and if not.
function read(field) {
  const plain = field.value.normalize("NFKC").replace(/[\u061c\u200e\u200f]/g, "").replace(/\s/g, " ").trim().replace(/\u2212/g, "-")
    .replace(/\p{Nd}/gu, (digit) => {
      let value = 0;
      while (value < 9 && /\p{Nd}/u.test(String.fromCodePoint(digit.codePointAt(0) - value - 1))) value += 1;
      return value;
    });
  const [, sign, whole, mark, part] = plain.match(NUMBER) ?? [];
  const [, minus, groups, , rest] = plain.match(GROUPED) ?? [];
  const number = whole || part ? join(sign, whole, part) : null;
  if (!groups || mark === markOf(field)) return { number };
  return { number: null, grouped: [join(minus, groups.replace(/\D/g, ""), rest), number?.replace(/\.?0+$/, "")] };
}

function fits(number, { low, high, whole, places }) {
  const digits = number?.split(".")[1]?.replace(/0+$/, "").length ?? 0;
  if (number === null || (whole !== undefined && number.includes(".")) || (places && digits > places)) return false;
  return !(low && Number(number) < Number(low)) && !(high && Number(number) > Number(high));
}

// What is to be said of it, if more than that it is none that the form takes: only a reading that it takes is offered.
function faultOf(field, { grouped, either }) {
  const [number, other] = (read(field).grouped ?? []).filter((each) => each && fits(each, field.dataset)).map((each) => written(each, field));
  if (!number) return undefined;
  return (other && either ? either : grouped).replace("{n}", number).replace("{part}", other);
}

export function begin(form, tools) {
  const { picture } = tools;
  const fieldOf = (question) => question.querySelector("[data-number]");
  tools.numbers = { read: (field) => read(field).number, faultOf, isOff: (field) => field.value.trim() !== "" && !fits(read(field).number, field.dataset) };
  // It is looked over as it was read, and stands so in its field when the form is opened again.
  tools.picture = (question, answer, place) => {
    if (fieldOf(question) && typeof answer === "string") place.textContent = written(answer, fieldOf(question));
    else picture(question, answer, place);
  };
  form.querySelectorAll("[data-number]").forEach((field) => { field.value = written(field.value, field); });
}
