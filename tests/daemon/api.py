"""The API as docs/openapi.yaml says it is, and a client that holds every answer against it."""

import json
import re
from collections import namedtuple
from pathlib import Path
from urllib.parse import quote

import jsonschema
import yaml
from client import Api

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# What an answer may say of its object; the document states each that is there.
TOLD = ("ETag", "Location", "Idempotency-Replayed", "Allow")

Answer = namedtuple("Answer", "status headers body")


class Operation(namedtuple("Operation", "method path")):
    """A path is as the document writes it: /v1/filters/{name}."""

    def __str__(self):
        return f"{self.method} {self.path}"

    def target(self, **names):
        """The path with names in it, percent-encoded."""
        return re.sub(r"{(\w+)}", lambda found: quote(str(names[found[1]]), safe=""), self.path)


class Document:
    def __init__(self):
        file = Path(__file__).resolve().parents[2] / "docs" / "openapi.yaml"
        self.root = yaml.safe_load(file.read_text())
        self.resolver = jsonschema.RefResolver.from_schema(self.root)
        self.operations = [Operation(method, path) for path, item in self.root["paths"].items()
                           for method in METHODS if method.lower() in item]

    def whole(self, node):
        """What a reference points to, or what is no reference."""
        return self.resolver.resolve(node["$ref"])[1] if "$ref" in node else node

    def node(self, operation):
        return self.root["paths"][operation.path][operation.method.lower()]

    def parameters(self, operation, place):
        """By name, those of a place: query, header or path."""
        nodes = self.root["paths"][operation.path], self.node(operation)
        known = [self.whole(known) for node in nodes for known in node.get("parameters", [])]
        return {parameter["name"]: parameter for parameter in known if parameter["in"] == place}

    def request(self, operation):
        """The schema of the body, or None."""
        body = self.node(operation).get("requestBody")
        return body and body["content"]["application/json"]["schema"]

    def responses(self, operation):
        """By status, as a number. Without an operation: to what is none."""
        found = self.node(operation)["responses"] if operation else self.root["x-other-requests"]
        return {int(status): self.whole(response) for status, response in found.items()}

    def codes(self, operation):
        """By status, the codes of the errors."""
        return {status: set(self._codes(response["content"]["application/json"]["schema"]))
                for status, response in self.responses(operation).items() if status >= 400}

    def _codes(self, schema):
        yield from schema.get("enum", [])
        if "const" in schema:
            yield schema["const"]
        for part in schema.get("anyOf", []) + schema.get("oneOf", []):
            yield from self._codes(self.whole(part))
        if error := schema.get("properties", {}).get("error"):
            code = error["properties"]["code"]
            yield from self._codes(self.whole(code))

    def find(self, method, target):
        """The operation that a request is, or None."""
        path = target.partition("?")[0]
        for operation in self.operations:
            pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(operation.path))
            if operation.method == method and re.fullmatch(pattern, path):
                return operation

    def validator(self, schema):
        return jsonschema.Draft202012Validator(
            schema, resolver=self.resolver,
            format_checker=jsonschema.FormatChecker(("ipv4", "ipv6")))

    def check(self, method, target, status, headers, content):
        """That the answer is one that the document has; gives its body."""
        where = f"{method} {target[:200]}: {status}: {content[:1000]}"
        responses = self.responses(self.find(method, target))
        assert status in responses, f"not in the document: {where}"
        response = responses[status]
        known = {name: self.whole(header) for name, header in response.get("headers", {}).items()}
        for name in TOLD:
            assert name in known or name not in headers, f"undocumented header {name}: {where}"
            assert name in headers or not known.get(name, {}).get("required"), f"no {name}: {where}"
            if name in headers:
                self.validator(known[name]["schema"]).validate(headers[name])
        if "content" not in response:
            assert content == b"", where
            assert "Content-Type" not in headers and "Content-Length" not in headers, where
            return None
        [(content_type, media)] = response["content"].items()
        assert headers["Content-Type"] == content_type, where
        body = json.loads(content) if content_type == "application/json" else content.decode()
        errors = self.validator(media["schema"]).iter_errors(body)
        problems = [error.message for error in errors]
        assert not problems, f"{problems}: {where}"
        return body


DOCUMENT = Document()


class CheckedApi(Api):
    """A client for which an answer that the document does not have is a failure."""

    def call(self, method, target, body=None, **headers):
        """The whole answer. A body in bytes goes as it is; `if_match` is the header If-Match."""
        content = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        try:
            self.request(method, target, content, headers)
        except BrokenPipeError:
            pass  # an answer may come before the request was sent whole, to one that is too large
        response = self.getresponse()
        content = response.read()
        body = DOCUMENT.check(method, target, response.status, response.headers, content)
        return Answer(response.status, response.headers, body)

    def ask(self, method, path, body=None):
        answer = self.call(method, path, body)
        return answer.status, answer.body

    def refused(self, status, code, method, target, body=None, **headers):
        """The error, which must be that one."""
        answer = self.call(method, target, body, **headers)
        assert (answer.status, answer.body.get("error", {}).get("code")) == (status, code), \
            (method, target[:200], str(body)[:300], answer.status, answer.body)
        return answer.body["error"]
