"""A gateway in miniature: the plugin, with Python's own HTTP and two dictionaries around it. It does one thing
at a time: nothing comes between a look at the store and a write, and no work runs twice at once. ../README.md
tells how to run it, and what a real one must add."""
import contextlib, hmac, http.client, itertools, json, os, random, sys, time, urllib.parse, wsgiref.simple_server
from wasmtime import Config, Engine, Store
from wasmtime.component import Component, Linker, Record, Variant

config = Config()
config.consume_fuel = True
engine = Engine(config)
component = Component.from_file(engine, sys.argv[1])
settings = json.load(open(sys.argv[2]))
webhooks, credentials, _ = (settings.pop(ours, {}) for ours in ("webhook", "credential", "egress"))
document = json.dumps(settings)  # the rest is the plugin's, without any secret
tokens = {webhook["path"]: os.environ[webhook["bearer"][0]["env"]] for webhook in webhooks}
store, queue, revisions = {}, {}, itertools.count(1)
now = lambda: time.time_ns() // 1_000_000

def record(**fields):
    made = Record()  # its attributes are named as in the contract, with dashes
    vars(made).update({name.replace("_", "-"): value for name, value in fields.items()})
    return made

def instantiate():
    """Opens an instance of its own, so that a trap or a limit ends one session; calls its exports by name."""
    inside = Store(engine)
    inside.set_limits(memory_size=64 << 20)
    inside.set_fuel(5_000_000_000)  # some seconds, for all calls together
    instance = Linker(engine).instantiate(inside, component)  # nothing is linked: it imports nothing
    index = lambda name, within=None: instance.get_export_index(inside, name, within)
    interface = index("integration:plugin/integration@0.1.0")
    return lambda name, *arguments: instance.get_func(inside, index(name, interface))(inside, *arguments)

def run(opened_by, respond=None):
    """Runs a session. Its verdict: a record is another try, a text is parked, nothing is done."""
    call, replies = instantiate(), []
    session = call("[constructor]session", opened_by, record(configuration=document, rehearsal=None))
    while effects := call("[method]session.resume", session, now(), replies):
        replies = []
        for effect in effects:
            if effect.tag == "finish": return effect.payload
            replies.append(carry_out(effect.tag, effect.payload, respond))

def carry_out(effect, asked, respond):
    match effect:
        case "respond": respond(asked)  # nobody can be answered in a work session: that ends it
        case "log": print(asked.level, asked.message, dict(asked.fields), flush=True)
        case "schedule": schedule(asked.key, vars(asked)["due-ms"], [asked.reason])
        case "http": return Variant("http", send(asked))
        case "get": return Variant("entries", [store.get(key) for key in asked])
        case "scan":
            keys = sorted(key for key in store if key.startswith(asked.prefix) and key > (asked.after or ""))
            page = [record(key=key, entry=store[key]) for key in keys[:asked.limit]]
            return Variant("page", record(entries=page, next=page[-1].key if len(page) < len(keys) else None))
        case "write":
            if asked.precondition != (store[asked.key].revision if asked.key in store else None):
                return Variant("written", None)  # refused: somebody else was first
            revision = next(revisions) if asked.value is not None else 0
            store[asked.key] = record(value=asked.value, revision=revision)
            if asked.value is None: del store[asked.key]
            return Variant("written", revision)
        case _: raise NotImplementedError(effect)
    return Variant("done")

def send(request):
    """Adds the credential that the plugin names and never sees, if it belongs to the place that is asked."""
    url, credential = urllib.parse.urlsplit(request.url), credentials.get(request.credential)
    if credential is None or credential["origin"] != f"{url.scheme}://{url.netloc}":
        return Variant("refused", f"{request.credential} is no credential for {url.scheme}://{url.netloc}")
    headers, query = dict(request.headers), [url.query] if url.query else []
    secret = os.environ[credential["value"]["env"]]
    if credential["kind"] == "header": headers[credential["name"]] = secret
    else: query.append(urllib.parse.urlencode({credential["name"]: secret}))
    client = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    with contextlib.closing(client(url.netloc, timeout=vars(request)["timeout-ms"] / 1000)) as connection:
        try: connection.connect()
        except OSError as error: return Variant("unreachable", str(error))  # nothing was sent
        try:  # a redirect is an answer as any other: this client follows none
            connection.request(request.method, f"{url.path}?{'&'.join(query)}", request.body, headers)
            answer = connection.getresponse()
            headers = [(name.lower(), value) for name, value in answer.getheaders()]
            return record(status=answer.status, headers=headers, body=answer.read())
        except (OSError, http.client.HTTPException) as error:
            return Variant("unknown", str(error))  # it may have been carried out

def schedule(key, due, reasons, tried=(0, 0)):
    """Work of one key is one item: the earlier time stays, the reasons are added."""
    at, known, before = queue.get(key, (due, [], tried))
    queue[key] = min(at, due), (known + [r for r in reasons if r not in known])[:16], max(before, tried)

def work(key):
    _, reasons, (attempt, tries) = queue.pop(key)  # what is scheduled from here on runs once more
    try: verdict = run(Variant("work", record(key=key, reasons=reasons, attempt=attempt)))
    except Exception as error: verdict = record(counts=True, reason=f"broke: {error}", not_before_ms=None)
    if isinstance(verdict, Record):
        later = now() + int(random.uniform(1000, 2000) * min(2 ** tries, 150))
        schedule(key, max(later, vars(verdict)["not-before-ms"] or 0), reasons, (attempt + verdict.counts, tries + 1))
    print("work", key, "done" if verdict is None else getattr(verdict, "reason", verdict), flush=True)

def webhook(environ, start_response):
    path, proof = environ["PATH_INFO"], environ.get("HTTP_AUTHORIZATION", "").encode()
    if path not in tokens or not hmac.compare_digest(proof, f"Bearer {tokens[path]}".encode()):
        start_response("401 Unauthorized", [])
        return []
    body, answers = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0)), []
    request = record(method="POST", path=path, query=environ["QUERY_STRING"], headers=[], body=body)
    run(Variant("request", request), answers.append)  # should it break, the caller is answered 500
    start_response(f"{answers[0].status} from the plugin", answers[0].headers)
    return [answers[0].body]

needs = instantiate()("configure", document)
if isinstance(needs, list): sys.exit("\n".join(f"{p.pointer}: {p.message}" for p in needs))
for key in needs.standing: schedule(key, 0, ["the gateway starts"])
server = wsgiref.simple_server.make_server("127.0.0.1", int(os.environ["PORT"]), webhook)
server.timeout = 0.05
print("listening on", server.server_port, flush=True)
while True:
    server.handle_request()
    for key in [key for key, item in queue.items() if item[0] <= now()][:1]: work(key)
