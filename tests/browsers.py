"""What tests ask a browser for, whatever page it shows."""

import json
from typing import Any


def severe(browser: Any) -> list[dict[str, Any]]:
    """Return the errors that the page has logged since this was last asked."""
    return [each for each in browser.get_log("browser") if each["level"] == "SEVERE"]


def asked_schemes(browser: Any) -> set[str]:
    """Return the schemes of all that was asked for since this was last asked."""
    events = [
        json.loads(e["message"])["message"] for e in browser.get_log("performance")
    ]
    return {
        event["params"]["request"]["url"].split(":")[0]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    }
