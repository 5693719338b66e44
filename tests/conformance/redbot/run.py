# What REDbot says of an address, as JSON: run.py ADDRESS. A note is [level, name, what it says].
import json
import sys
from configparser import ConfigParser

import thor
from httplint.field.parsers.date import MAX_CLOCK_SKEW
from redbot.resource import HttpResource

parser = ConfigParser()
parser.read_dict({"redbot": {"enable_local_access": "True"}})


def is_right(response):
    # httplint reads Age only where it stands before Date, but fields have no order (RFC 9110 section 5.3).
    fields = response.headers.parsed
    if "age" not in fields or "date" not in fields:
        return False
    return abs(fields["date"] + fields["age"] - int(response.start_time)) <= MAX_CLOCK_SKEW


def said(response):
    notes = [note for note in response.notes if type(note).__name__ != "DATE_INCORRECT" or not is_right(response)]
    return [[note.level.value, type(note).__name__, str(note.summary)] for note in notes]


def look(address):
    resource = HttpResource(parser["redbot"])
    resource.set_request(address)

    @thor.events.on(resource)
    def check_done():
        thor.stop()

    resource.check()
    thor.run()
    response = resource.response
    checks = [check for check in resource.subreqs.values() if check.fetch_started]
    return {
        "status": response.status_code,
        "cache": [value for name, value in response.headers.text if name.lower() == "cache-status"],
        "errors": [str(one.fetch_error) for one in [resource, *checks] if one.fetch_error],
        "notes": said(response) + [note for check in checks for note in said(check.response)],
    }


print(json.dumps(look(sys.argv[1])))
