#!/usr/bin/env python3
"""One customer with many sales: what each costs when all that is known of the customer is planned anew.

    benches/one_customer.py [--sales 600] [--apart] BINARY [BINARY...]

With --apart each sale is another customer's: what a sale costs that comes alone, whatever is known of its customer.
Each build gets a SQLite store and the build's own `sandbox` as Refairn. The sales are of different days and are
sent one after the other, each when the one before is answered, and the CPU is the bridge's own. The builds are measured in
turns, three times each; the median is printed.
"""
import argparse, hashlib, hmac, json, os, pathlib, signal, socket, statistics, subprocess, tempfile, time, urllib.request

CORPUS = pathlib.Path(__file__).parent.parent / "tests/fixtures/stripe/invoice.paid/renewal-clover/body.json"
SECRET, TOKEN, TURNS, DAY_S, WAIT_S = "whsec_measure_measure_measure", "a-token-for-a-measurement", 3, 86_400, 60


def port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def get(url, token=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"} if token else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read()


def until(what, ask, pause=0.02):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        try:
            if ask():
                return
        except OSError:
            pass
        time.sleep(0.002)
    raise SystemExit(f"waited in vain: {what}")


def cpu(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def sale(n, now, customer):
    event = json.loads(CORPUS.read_text())
    paid = now - (n + 1) * DAY_S
    invoice = event["data"]["object"]
    event.update(id=f"evt_{n}", created=paid)
    invoice.update(id=f"in_{n}", customer=f"cus_{customer}", customer_email=f"customer-{customer}@example.com")
    invoice["status_transitions"]["paid_at"] = paid
    invoice["parent"]["subscription_details"]["subscription"] = f"sub_{customer}"
    return json.dumps(event).encode()


def send(url, body):
    now = int(time.time())
    signature = hmac.new(SECRET.encode(), f"{now}.".encode() + body, hashlib.sha256).hexdigest()
    headers = {"Stripe-Signature": f"t={now},v1={signature}", "Content-Type": "application/json"}
    with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=10) as answer:
        assert answer.status == 200


def measure(binary, sales, apart):
    with tempfile.TemporaryDirectory() as folder:
        bridge, refairn = port(), port()
        environment = {
            "PATH": os.environ["PATH"], "BRIDGE_LISTEN": f"127.0.0.1:{bridge}", "BRIDGE_ADMIN_TOKEN": TOKEN,
            "DATABASE_URL": f"sqlite://{folder}/bridge.db", "REFAIRN_BASE_URL": f"http://127.0.0.1:{refairn}",
            "REFAIRN_API_KEY": "sk_sandbox_demo", "REFAIRN_BUSINESS_ID": "biz_demo", "REFAIRN_PRODUCT_ID": "prod_demo",
            "REFAIRN_TEST_PRODUCT_ID": "prod_demo", "STRIPE_WEBHOOK_SECRET": SECRET,
        }
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
        sandbox = subprocess.Popen([binary, "sandbox", "--listen", f"127.0.0.1:{refairn}"], env=environment, **quiet)
        serve = subprocess.Popen([binary, "serve"], env=environment, **quiet)
        try:
            until("it is ready", lambda: get(f"http://127.0.0.1:{bridge}/readyz"))
            stats = lambda: json.loads(get(f"http://127.0.0.1:{bridge}/api/v1/stats", TOKEN))
            told = lambda n: stats()["deliveries"].get("delivered", 0) >= n
            now, before = int(time.time()), cpu(serve.pid)
            for n in range(sales):
                send(f"http://127.0.0.1:{bridge}/webhooks/stripe", sale(n, now, n if apart else 0))
            # Asked seldom: the answer is the bridge's work, too.
            until("all are told", lambda: told(sales), 0.25)
            return (cpu(serve.pid) - before) * 1e6 / sales
        finally:
            for process in (serve, sandbox):
                process.send_signal(signal.SIGTERM)
                process.wait(20)


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--sales", type=int, default=600)
    arguments.add_argument("--apart", action="store_true")
    arguments.add_argument("binaries", nargs="+")
    asked = arguments.parse_args()
    binaries = [os.path.abspath(binary) for binary in asked.binaries]
    figures = {binary: [] for binary in binaries}
    for _ in range(TURNS):
        for binary in binaries:
            figures[binary].append(measure(binary, asked.sales, asked.apart))
    first = None
    for binary, values in figures.items():
        median = statistics.median(values)
        first = first or median
        print(f"{median:8.0f} us of CPU a sale  {median / first:5.2f}x  {binary}  {sorted(round(v) for v in values)}")


main()
