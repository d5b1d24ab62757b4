#!/usr/bin/env bash
# The events of `stripe trigger`, with which webhooks are tried out.
#
# A good guess: what it makes is a small sale as a shop has it, so `stripe trigger invoice.paid` brings an invoice of a
# subscription, of a customer with an e-mail address. Its Checkout session has one, after all.
# What happens: the customers that it makes have a description and nothing else. Their invoices say customer_email: null, so
# nothing that goes by the address can be tried with them. An invoice.paid is also of no subscription and no price: it bills
# a bare amount. --add gives the customer an address, under the name of the step that makes it. A name that no step has is
# passed over: the trigger says that it succeeded.
#
# @stripe/cli 1.52.0 (npm), which is pointed at a server of this script's own, so that it needs no account. Seen:
#   customer.created: no address, no subscription, no price
#   customer.subscription.created: no address, a subscription, a price
#   subscription.payment_succeeded: no address, a subscription, a price
#   invoice.paid: no address, no subscription, no price
#   invoice.payment_failed: no address, no subscription, no price
#   checkout.session.completed: an address, no subscription, a price
#   invoice.paid --add customer:email=ann@example.com: an address, no subscription, no price
#   invoice.paid --add buyer:email=ann@example.com: no address, no subscription, no price
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund @stripe/cli@1.52.0 >/dev/null
cat >finding.py <<'PY'
import http.server, json, os, subprocess, threading, urllib.parse

asked = []


class Stripe(http.server.BaseHTTPRequestHandler):
    """Answers every request with an object, and notes what was asked."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length") or 0)).decode()
        asked.append((self.path, urllib.parse.unquote_plus(body)))
        answer = json.dumps({"id": "obj_1", "livemode": False}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_POST

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Stripe)
threading.Thread(target=server.serve_forever, daemon=True).start()
base = f"http://127.0.0.1:{server.server_address[1]}"
alone = {**os.environ, "HOME": os.getcwd(), "XDG_CONFIG_HOME": os.getcwd(), "STRIPE_CLI_TELEMETRY_OPTOUT": "1"}
for what in [
    "customer.created",
    "customer.subscription.created",
    "subscription.payment_succeeded",
    "invoice.paid",
    "invoice.payment_failed",
    "checkout.session.completed",
    "invoice.paid --add customer:email=ann@example.com",
    "invoice.paid --add buyer:email=ann@example.com",
]:
    asked.clear()
    command = ["node_modules/.bin/stripe", "trigger", *what.split(), "--api-base", base]
    command += ["--api-key", "sk_test_" + 24 * "0"]
    subprocess.run(command, env=alone, check=True, timeout=60, stdout=subprocess.DEVNULL)
    address = "an address" if any("email" in body for _, body in asked) else "no address"
    paths = [path for path, _ in asked]
    subscription = "a subscription" if "/v1/subscriptions" in paths else "no subscription"
    price = "a price" if "/v1/prices" in paths else "no price"
    print(f"{what}: {address}, {subscription}, {price}")
PY
said=$(python3 finding.py)
echo "$said"
[[ "$said" == "customer.created: no address, no subscription, no price
customer.subscription.created: no address, a subscription, a price
subscription.payment_succeeded: no address, a subscription, a price
invoice.paid: no address, no subscription, no price
invoice.payment_failed: no address, no subscription, no price
checkout.session.completed: an address, no subscription, a price
invoice.paid --add customer:email=ann@example.com: an address, no subscription, no price
invoice.paid --add buyer:email=ann@example.com: no address, no subscription, no price" ]]
