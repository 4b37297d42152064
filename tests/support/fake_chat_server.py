#!/usr/bin/env python3
"""A server of chat completions that speaks as OpenAI, vLLM, llama.cpp and Ollama do, with faults.

It speaks the protocol and knows nothing: no figure about a model's quality can come of it. Only the standard
library is used; --tls runs `openssl` once for a certificate.

    fake_chat_server.py --dialect openai|vllm|llamacpp|ollama [options]

It listens on a free port of 127.0.0.1 and prints one line, "listening on PORT". It ends when its input is closed,
so that it does not outlive who started it.

    --key KEY                requests need "Authorization: Bearer KEY"; else 401
    --model NAME             the only model it has (default: test-model); another one is 404
    --refuse WORD            400 for requests with this, as servers do that do not know it: json_schema,
                             json_object, max_tokens, temperature, seed; may be repeated
    --prose                  wraps answers in prose and in what it "thinks", whatever response_format says
    --tls DIR                TLS, with a self-signed certificate for 127.0.0.1 that is put in DIR/cert.pem

What differs between the dialects:
    openai     json_schema needs a name and, with strict, additionalProperties: false and all properties in required;
               error bodies have string codes; system_fingerprint; no /health
    vllm       json_schema needs a name; codes in error bodies are integers; /health is empty
    llamacpp   reads response_format.json_schema.schema only (a flat one is ignored: some JSON object comes back);
               an unknown type is 400; /health; `timings` and `reasoning_content` in responses; 503 while loading
    ollama     reads response_format.json_schema.schema, ignores max_completion_tokens; "/" says that it runs; codes
               in error bodies are null; /api/chat, its own, has done_reason

An answer follows the schema that was sent or stands in the prompt: null where that may be, empty lists, 0.

Control, over the same port:
    POST /__control   {"content": TEXT|null, "echo": bool, "model": NAME, "fingerprint": TEXT,
                       "faults": [{"kind": K, "times": N, ...}]}; what is not given stays
                      content: what each answer says from now on; echo: the longest balanced {...} of the user's
                      text, as a model would answer that obeys it; faults are used up in order, times each
                      (0: for ever)
    GET  /__requests  every request so far: [{"path", "headers", "body" (parsed), "raw", "at_ms"}]
    POST /__reset     forgets requests and faults

Faults, by kind:
    status {status, code, type, message, param, retry_after}   an error body in the dialect
    slow {ms}          answers so late; the pause ends early when the other side goes
    stall              reads the request and never answers, until the other side goes
    reset              resets the connection after it has read the request
    half               announces a body and closes in the middle of it
    length, content_filter, tool_calls                 finish_reason
    refusal            message.refusal, content null
    empty              content ""
    not_json, half_json, extra_key, wrong_type, nan, out_of_range, duplicate_key, missing_key, deep, nul, long_string
                       content that is not right in this way
    huge {bytes}       a body of that size
    bad_body           a body that is not JSON
    no_choices         a body without choices
    error_in_200       an error body with status 200
    redirect {location}
    loading            as llama.cpp while it loads: 503
    drip               headers at once, then a byte of the body each 20 ms
"""
import argparse
import http.server
import json
import os
import pathlib
import re
import select
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

DIALECTS = ("openai", "vllm", "llamacpp", "ollama")
CONTENT_FAULTS = {
    "empty", "not_json", "half_json", "extra_key", "wrong_type", "nan", "out_of_range", "duplicate_key",
    "missing_key", "deep", "nul", "long_string"}


class State:
    """What the control says, and what was asked. Guarded by its lock."""

    def __init__(self, options):
        self.lock = threading.Lock()
        self.options = options
        self.content = None
        self.echo = False
        self.model = options.model
        self.fingerprint = "fp_test"
        self.faults = []
        self.requests = []

    def control(self, said):
        with self.lock:
            for name in ("content", "echo", "model", "fingerprint"):
                if name in said:
                    setattr(self, name, said[name])
            if "faults" in said:
                self.faults = [{"times": 1, **fault} for fault in said["faults"]]

    def next_fault(self):
        with self.lock:
            if not self.faults:
                return None
            fault = self.faults[0]
            if fault["times"] == 1:
                self.faults.pop(0)
            elif fault["times"] > 1:
                fault["times"] -= 1
            return fault


class BadRequest(Exception):
    def __init__(self, message, param=None, code=None):
        super().__init__(message)
        self.param = param
        self.code = code


def check_strict(schema, place="schema"):
    """OpenAI's rules of a strict schema, as far as objects go."""
    if not isinstance(schema, dict):
        return
    if "properties" in schema:
        if schema.get("additionalProperties") is not False:
            raise BadRequest(f"Invalid schema for response_format: {place}: additionalProperties must be false",
                             "response_format", "invalid_json_schema")
        if set(schema.get("required", [])) != set(schema["properties"]):
            raise BadRequest(f"Invalid schema for response_format: {place}: required must have every key",
                             "response_format", "invalid_json_schema")
        for name, child in schema["properties"].items():
            check_strict(child, f"{place}.{name}")
    for name in ("pattern", "minItems", "minLength", "oneOf"):
        if name in schema:
            raise BadRequest(f"Invalid schema for response_format: {place}: '{name}' is not permitted",
                             "response_format", "invalid_json_schema")
    check_strict(schema.get("items"), place + "[]")
    for option in schema.get("anyOf", []):
        check_strict(option, place)


def follow(schema):
    """The emptiest value that follows a schema."""
    if "anyOf" in schema:
        options = schema["anyOf"]
        return None if {"type": "null"} in options else follow(options[0])
    kind = schema.get("type")
    if isinstance(kind, list):
        return None if "null" in kind else follow({**schema, "type": kind[0]})
    if kind == "object":
        return {name: follow(child) for name, child in schema.get("properties", {}).items()}
    if "enum" in schema:
        return schema["enum"][0]
    return {"array": [], "integer": 0, "number": 0, "string": "", "boolean": False}.get(kind)


def balanced_objects(text):
    """Every balanced {...} of a text that starts where none is open."""
    found, depth, begin = [], 0, 0
    for at, character in enumerate(text):
        if character == "{":
            if depth == 0:
                begin = at
            depth += 1
        elif character == "}" and depth > 0:
            depth -= 1
            if depth == 0:
                found.append(text[begin:at + 1])
    return found


def schema_in_prompt(messages):
    """The schema that stands in the system's message; None: there is none."""
    for message in messages:
        for candidate in balanced_objects(message.get("content") or ""):
            try:
                value = json.loads(candidate)
            except ValueError:
                continue
            if isinstance(value, dict) and "properties" in value:
                return value
    return None


def echoed(messages):
    """What a model would say that copies the longest JSON object of the text that it was shown."""
    user = next((m["content"] for m in reversed(messages) if m["role"] == "user" and m["content"].startswith("{")), "")
    try:
        text = "\n".join(value for value in json.loads(user)["job"].values() if isinstance(value, str))
    except (ValueError, KeyError, TypeError):
        text = user
    return max(balanced_objects(text), key=len, default=text)


def spoiled(kind, answer):
    """An answer that is wrong in the way that a fault names."""
    value = json.loads(answer)
    if kind == "empty":
        return ""
    if kind == "not_json":
        return "I am sorry, I would rather talk about the weather."
    if kind == "half_json":
        return answer[:len(answer) // 2]
    if kind == "nan":
        return answer.replace('"memory_mib": null', '"memory_mib": NaN')
    if kind == "duplicate_key":
        return answer[:-1] + ', "gpus": 8}'
    if kind == "deep":
        return '{"inputs":' * 2000 + "1" + "}" * 2000
    if kind == "extra_key":
        value["priority"] = 1000000
    elif kind == "wrong_type":
        value["gpus"] = "eight"
    elif kind == "out_of_range":
        value["memory_mib"] = -5
    elif kind == "missing_key":
        del value["gpus"]
    elif kind == "nul":
        value["models"] = ["a\0b"]
    elif kind == "long_string":
        value["models"] = ["x" * 5000]
    return json.dumps(value)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "fake"

    def log_message(self, *_):
        pass

    @property
    def state(self):
        return self.server.state

    # ---- what it says ----

    def send(self, status, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(data)

    def error_body(self, status, message, kind="invalid_request_error", param=None, code=None):
        dialect = self.state.options.dialect
        if dialect == "openai":
            return {"error": {"message": message, "type": kind, "param": param, "code": code}}
        if dialect == "vllm":
            kind = {"invalid_request_error": "BadRequestError"}.get(kind, kind)
            return {"error": {"message": message, "type": kind, "param": param, "code": status}}
        if dialect == "llamacpp":
            return {"error": {"code": status, "message": message, "type": kind}}
        return {"error": {"message": message, "type": kind, "param": param, "code": None}}

    def send_error_body(self, status, message, headers=None, **more):
        self.send(status, self.error_body(status, message, **more), headers)

    def do_GET(self):
        dialect = self.state.options.dialect
        if self.path == "/__requests":
            with self.state.lock:
                self.send(200, list(self.state.requests))
        elif self.path == "/health" and dialect == "vllm":
            self.send(200, b"")
        elif self.path == "/health" and dialect == "llamacpp":
            self.send(200, {"status": "ok"})
        elif self.path == "/" and dialect == "ollama":
            self.send(200, b"Ollama is running")
        elif self.path == "/v1/models":
            self.send(200, {"object": "list", "data": [{"id": self.state.model, "object": "model"}]})
        else:
            self.send_error_body(404, "Not Found", kind="not_found_error")

    def do_POST(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        if self.path == "/__control":
            self.state.control(json.loads(raw))
            self.send(200, {})
            return
        if self.path == "/__reset":
            with self.state.lock:
                self.state.requests.clear()
                self.state.faults.clear()
            self.send(200, {})
            return
        try:
            body = json.loads(raw)
        except ValueError:
            body = None
        with self.state.lock:
            self.state.requests.append({
                "path": self.path, "headers": dict(self.headers), "body": body,
                "raw": raw.decode("utf-8", "backslashreplace"), "at_ms": int(time.monotonic() * 1000)})
        if self.path == "/v1/chat/completions":
            self.complete(body)
        elif self.path == "/api/chat" and self.state.options.dialect == "ollama":
            self.complete_native(body)
        else:
            self.send_error_body(404, "Not Found", kind="not_found_error")

    # ---- chat completions ----

    def complete(self, body):
        key = self.state.options.key
        if key and self.headers.get("Authorization") != f"Bearer {key}":
            self.send_error_body(401, "Incorrect API key provided", code="invalid_api_key")
            return
        try:
            schema = self.read_request(body)
        except BadRequest as error:
            self.send_error_body(400, str(error), param=error.param, code=error.code)
            return
        if body["model"] != self.state.options.model:
            self.send_error_body(404, f"The model `{body['model']}` does not exist", code="model_not_found",
                                 kind="not_found_error")
            return
        fault = self.state.next_fault()
        if fault is None:
            self.send(200, self.completion(self.answer(body, schema)))
        else:
            self.fail(fault, body, schema)

    def read_request(self, body):
        """The schema that the answer is to follow; BadRequest as the server of this dialect has it."""
        options = self.state.options
        if not isinstance(body, dict) or not body.get("messages"):
            raise BadRequest("messages must not be empty", "messages")
        for name in ("max_tokens", "temperature", "seed"):
            if name in options.refuse and name in body:
                other = " Use 'max_completion_tokens' instead." if name == "max_tokens" else ""
                raise BadRequest(f"Unsupported parameter: '{name}' is not supported with this model.{other}", name,
                                 "unsupported_parameter")
        form = body.get("response_format") or {"type": "text"}
        kind = form.get("type")
        if kind in options.refuse:
            raise BadRequest(f"response_format of type {kind} is not supported", "response_format")
        if kind not in ("text", "json_object", "json_schema"):
            raise BadRequest(f'response_format type must be one of "text" or "json_object", but got: {kind}',
                             "response_format")
        if options.dialect == "llamacpp" and "json_schema" in body and "grammar" in body:
            raise BadRequest("Cannot use both json_schema and grammar")
        in_prompt = schema_in_prompt(body["messages"])
        if kind != "json_schema":
            return in_prompt
        nested = form.get("json_schema")
        if options.dialect in ("openai", "vllm"):
            if not isinstance(nested, dict) or not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", nested.get("name", "")):
                raise BadRequest("Missing required parameter: 'response_format.json_schema.name'.",
                                 "response_format.json_schema.name", "missing_required_parameter")
        if options.dialect == "openai" and nested.get("strict"):
            check_strict(nested.get("schema"))
        if isinstance(nested, dict) and isinstance(nested.get("schema"), dict):
            return nested["schema"]
        return {"type": "object", "properties": {"some": {"type": "string"}}}

    def answer(self, body, schema):
        with self.state.lock:
            content, echo = self.state.content, self.state.echo
        if content is None and echo:
            content = echoed(body["messages"])
        if content is None:
            content = json.dumps(follow(schema)) if schema else "There is no schema, so here is a poem."
        if self.state.options.prose:
            content = f"<think>What about {{this}}?</think>\nHere you are:\n```json\n{content}\n```\nAnything else?"
        return content

    def completion(self, content, finish="stop", refusal=None):
        dialect = self.state.options.dialect
        message = {"role": "assistant", "content": content}
        if dialect == "openai":
            message["refusal"] = refusal
        elif refusal is not None:
            message["refusal"] = refusal
        if dialect in ("vllm", "llamacpp"):
            message["reasoning_content"] = "{\"not\": \"the answer\"}"
        with self.state.lock:
            response = {
                "id": "chatcmpl-1", "object": "chat.completion", "created": 1, "model": self.state.model,
                "choices": [{"index": 0, "message": message, "finish_reason": finish, "logprobs": None}],
                "usage": {"prompt_tokens": 700, "completion_tokens": 150, "total_tokens": 850}}
            if self.state.fingerprint:
                response["system_fingerprint"] = self.state.fingerprint
        if dialect == "llamacpp":
            response["timings"] = {"prompt_n": 700, "predicted_n": 150}
        if dialect == "ollama":
            del response["choices"][0]["logprobs"]
        return response

    def complete_native(self, body):
        schema = body.get("format") if isinstance(body.get("format"), dict) else schema_in_prompt(body["messages"])
        self.send(200, {"model": self.state.model, "message": {"role": "assistant", "content": self.answer(body, schema)},
                        "done": True, "done_reason": "stop"})

    # ---- faults ----

    def fail(self, fault, body, schema):
        kind = fault["kind"]
        good = self.answer(body, schema)
        if kind in CONTENT_FAULTS:
            self.send(200, self.completion(spoiled(kind, good)))
        elif kind in ("length", "content_filter", "tool_calls"):
            content = good[:len(good) // 2] if kind == "length" else None if kind == "tool_calls" else ""
            self.send(200, self.completion(content, finish=kind))
        elif kind == "refusal":
            self.send(200, self.completion(None, refusal="I cannot help with that."))
        elif kind == "status":
            headers = {"Retry-After": fault["retry_after"]} if "retry_after" in fault else None
            self.send_error_body(fault["status"], fault.get("message", "as it was told to"), headers,
                                 kind=fault.get("type", "server_error"), code=fault.get("code"),
                                 param=fault.get("param"))
        elif kind == "loading":
            self.send(503, {"error": {"code": 503, "message": "Loading model", "type": "unavailable_error"}})
        elif kind == "slow":
            self.wait_for_hang_up(fault["ms"] / 1000)
            self.send(200, self.completion(good))
        elif kind == "stall":
            self.wait_for_hang_up(None)
            self.close_connection = True
        elif kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.server.reset_requests.add(id(self.request))
        elif kind == "half":
            data = json.dumps(self.completion(good)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:len(data) // 2])
            self.close_connection = True
        elif kind == "huge":
            self.send(200, b'{"choices": "' + b"x" * fault["bytes"] + b'"}')
        elif kind == "bad_body":
            self.send(200, b"<html>no gateway</html>")
        elif kind == "no_choices":
            self.send(200, {"model": self.state.model, "choices": []})
        elif kind == "error_in_200":
            self.send_error_body(200, "something is wrong", kind="server_error")
        elif kind == "redirect":
            self.send(302, b"", {"Location": fault["location"]})
        elif kind == "drip":
            data = json.dumps(self.completion(good)).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            for at in range(len(data)):
                if self.wait_for_hang_up(0.02):
                    break
                self.wfile.write(data[at:at + 1])
                self.wfile.flush()
            self.close_connection = True
        else:
            raise ValueError(f"unknown fault {kind}")

    def wait_for_hang_up(self, seconds):
        """Waits for so long at most (None: as long as it takes); True: the other side has gone."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        return bool(readable)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        super().__init__(("127.0.0.1", 0), Handler)
        self.state = State(options)
        self.reset_requests = set()

    def shutdown_request(self, request):
        # A polite shutdown would send the end of the stream before the reset.
        if id(request) in self.reset_requests:
            self.reset_requests.discard(id(request))
            request.close()
        else:
            super().shutdown_request(request)

    def handle_error(self, request, client_address):
        # Somebody who hangs up in the middle is what some tests are about.
        if not isinstance(sys.exc_info()[1], (ConnectionError, ssl.SSLError, TimeoutError)):
            super().handle_error(request, client_address)


def wrap_in_tls(server, folder):
    folder = pathlib.Path(folder)
    cert, key = folder / "cert.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
         "-keyout", key, "-out", cert, "-days", "2", "-subj", "/CN=127.0.0.1",
         "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    # The handshake in the request's thread: one that hangs must not hold the others.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dialect", choices=DIALECTS, required=True)
    parser.add_argument("--key")
    parser.add_argument("--model", default="test-model")
    parser.add_argument("--refuse", action="append", default=[])
    parser.add_argument("--prose", action="store_true")
    parser.add_argument("--tls", metavar="DIR")
    options = parser.parse_args()
    server = Server(options)
    if options.tls:
        wrap_in_tls(server, options.tls)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on {server.server_address[1]}", flush=True)
    while os.read(0, 4096):
        pass


if __name__ == "__main__":
    main()
