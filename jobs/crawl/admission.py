"""Who has a say in whether a picture is fetched: the operator's lists, the site's robots.txt, its headers, the file.

Asked before every request (redirects included), when an answer's head is complete and before its body is read, and
once more when the bytes are there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from datasets.outcomes import Reason
from jobs.crawl import optouts
from jobs.crawl.optouts import NO_RULES, OptOutRules, Statement
from jobs.crawl.robots import Robots
from jobs.crawl.types import Evidence, Fetched, FetchFailure, Refusal


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """The rules of one crawl.

    Without `robots` nobody is asked, and nothing is kept as evidence. `refuses_hop` says why an address that a redirect
    leads to is not fetched; the listed addresses themselves are looked up many at once before they come here.
    """

    rules: OptOutRules = NO_RULES
    robots: Robots | None = None
    refuses_hop: Callable[[str], Refusal | None] = lambda _url: None

    def ask(self, url: str, *, is_hop: bool) -> Refusal | str | None:
        """None: a normalised address may be fetched. A text: the robots.txt that has to be read first."""
        if is_hop and (refusal := self.refuses_hop(url)):
            return refusal
        if self.robots is None or not self.rules.robots_txt:
            return None
        return self.robots.ask(url)

    def learn(self, robots_txt_url: str, answer: Fetched | FetchFailure) -> Refusal | None:
        """Takes in what came of reading a robots.txt; a refusal is for the one picture that asked for it."""
        return self.robots.learn(robots_txt_url, answer) if self.robots is not None else None

    def judge_head(self, headers: Mapping[str, str]) -> Refusal | None:
        """Why the body of a picture is not read; None where it is. Names of headers are in lower case."""
        if self.rules.robots_tag and (tag := optouts.robots_tag(headers)).is_opt_out:
            return Refusal(Reason.OPTOUT_HEADER, f"X-Robots-Tag: {tag.said}")
        if self.rules.tdm_reservation and (tdm := optouts.tdm_reservation(headers)).is_opt_out:
            return Refusal(Reason.OPTOUT_HEADER, f"tdm-reservation: {tdm.said}")
        return None

    def judge_body(self, url: str, headers: Mapping[str, str], body: bytes) -> Refusal | Evidence:
        """Why a picture is not kept although its bytes are here; else what was said of it, to be kept with the image.

        `url` is where it was fetched from, after all redirects.
        """
        if self.robots is None:
            return {}
        rules, embedded = self.rules, optouts.embedded(body)
        if rules.embedded and embedded.is_opt_out:
            return Refusal(Reason.OPTOUT_HEADER, f"The file says: {embedded.said}")
        return {
            "checked_at": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "robots_txt": _entry(rules.robots_txt, self.robots.said(url) if rules.robots_txt else ""),
            "robots_tag": _entry(rules.robots_tag, optouts.robots_tag(headers)),
            "tdm_reservation": _entry(rules.tdm_reservation, optouts.tdm_reservation(headers)),
            "embedded": _entry(rules.embedded, embedded),
        }


#: For what is fetched on nobody's behalf.
OPEN = Admission()


def _entry(is_obeyed: bool, statement: Statement | str) -> dict[str, object]:
    return {"obeyed": is_obeyed, "said": statement if isinstance(statement, str) else statement.said}
