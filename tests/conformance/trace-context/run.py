# Runs the suite's tests and prints what became of them, as JSON: run.py FOLDER list | run.py FOLDER ENDPOINT PORT [TEST]
import json
import os
import sys
import unittest

folder, what, *rest = sys.argv[1:]
sys.path.insert(0, folder)
os.environ.update(SPEC_LEVEL="2", STRICT_LEVEL="2", SERVICE_ENDPOINT=what)
said = sys.stdout
sys.stdout = sys.stderr  # the suite speaks too

import test as suite  # noqa: E402 (the suite's, since its folder comes first)


def name(case):
    return case.id().split(".", 1)[1]


def each(tests):
    for one in tests:
        yield from each(one) if isinstance(one, unittest.TestSuite) else [one]


class Result(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.found = {}

    def addSuccess(self, case):
        self.found[name(case)] = True

    def failed(self, case, error):
        self.found[name(case)] = str(error[1]).strip().split("\n")[0][:300] or error[0].__name__

    addFailure = addError = failed


cases = list(each(unittest.TestLoader().loadTestsFromModule(suite)))
if what == "list":
    print(json.dumps([name(case) for case in cases]), file=said)
    sys.exit(0)
port, *only = rest
suite.client = suite.TestClient(host="127.0.0.1", port=int(port), timeout=6)
suite.server = suite.TestServer(host="127.0.0.1", port=int(port), timeout=5)
result = Result()
unittest.TestSuite([case for case in cases if not only or name(case) in only]).run(result)
print(json.dumps(result.found), file=said)
