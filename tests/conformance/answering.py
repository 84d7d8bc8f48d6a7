"""Answers of a kit response on a page that a person fills, and responses compared by what was answered."""

import json
from decimal import Decimal
from typing import Any

from playwright.async_api import Locator, Page, expect

Json = dict[str, Any]
_MOST_STEPS = 20


def bare(items: list[Json]) -> list[Json]:
    """Keep what was answered: linkId, codes and values, reasons; words and weights are copied from the form."""
    return [
        {
            "linkId": item["linkId"],
            **({"item": bare(item["item"])} if "item" in item else {}),
            **({"answer": [_bare_answer(each) for each in item["answer"]]} if "answer" in item else {}),
            **({"reason": _reasons(item)} if "extension" in item else {}),
        }
        for item in items
    ]


def _bare_answer(answer: Json) -> Json:
    found: Json = {name: value for name, value in answer.items() if name.startswith("value")}
    if "valueCoding" in found:
        found["valueCoding"] = {name: found["valueCoding"][name] for name in ("system", "code")}
    return found | ({"item": bare(answer["item"])} if "item" in answer else {})


def _reasons(item: Json) -> list[str]:
    return [each["valueCode"] for each in item["extension"]]


def read(body: bytes) -> Json:
    """Read a response, its decimals exactly."""
    found: Json = json.loads(body, parse_float=Decimal)
    return found


def choices(items: list[Json]) -> dict[str, list[str] | None]:
    """Give what somebody chooses: linkId to values as the page writes them; None for a declined question."""
    found: dict[str, list[str] | None] = {}
    for item in items:
        answers = item.get("answer", [])
        if answers or "extension" in item:
            found[item["linkId"]] = [_written(each) for each in answers] or None
        found |= choices(item.get("item", []))
        for each in answers:
            found |= choices(each.get("item", []))
    return found


def _written(answer: Json) -> str:
    (value,) = [each for name, each in answer.items() if name.startswith("value")]
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value["code"] if isinstance(value, dict) else value)


async def fill(page: Page, wanted: dict[str, list[str] | None]) -> None:
    """Answer the form as a person does, question by question, look it over, and send it."""
    for _ in range(_MOST_STEPS):
        for _ in ("asked", "brought up by an answer"):
            for question in await page.locator("[data-question]:visible").all():
                await _answer(question, wanted)
        if looking_over := await page.locator("[data-list]:visible").count():
            break
        await page.locator("[data-forward]").click()
    assert looking_over, "the form does not come to its end"
    await page.locator("[data-forward]").click()
    await expect(page.locator(".done h1")).to_be_visible()


async def _answer(question: Locator, wanted: dict[str, list[str] | None]) -> None:
    link_id = await question.get_attribute("data-question") or ""
    if link_id not in wanted:
        return
    values = wanted[link_id]
    if values is None:
        await question.locator("[data-decline]").check()
        return
    for value in values:
        option = question.locator(f"[data-option][value='{value}']")
        if await option.count():
            await option.check()
        else:
            await question.locator("[data-field]").fill(value)
