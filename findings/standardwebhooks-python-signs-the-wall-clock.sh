#!/usr/bin/env bash
# The Standard Webhooks library for Python, which signs a message at a time that is given as a datetime with a zone.
#
# A good guess: a datetime with a zone is one moment, and its signature is that of the moment's Unix seconds, whatever the
# zone. The library for JavaScript takes a Date, which is a moment, too.
# What happens: sign() puts UTC in the place of the zone that it was given, and so signs other seconds than the sender writes
# into webhook-timestamp. Where local time is UTC all is well. Elsewhere nobody can verify the message, its own verify()
# included, and the error says that no signature matches, not that the time is wrong. svix 2.9.1 signs by the same function.
#
# standardwebhooks 1.1.0 (PyPI), standardwebhooks 1.1.1 (npm). Seen:
#   signed by Python in UTC: Python verified, JavaScript verified
#   signed by Python in UTC+01:00: Python no matching signature found, JavaScript no matching signature found
#   signed by JavaScript: Python verified, JavaScript verified
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund standardwebhooks@1.1.1 >/dev/null
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check standardwebhooks==1.1.0
cat >finding.js <<'JS'
const { Webhook } = require('standardwebhooks');
const [secret, payload, at, signature] = process.argv.slice(2);
const webhook = new Webhook(secret);
if (!signature) {
  console.log(webhook.sign('msg_1', new Date(at * 1000), payload));
} else {
  const headers = { 'webhook-id': 'msg_1', 'webhook-timestamp': at, 'webhook-signature': signature };
  try {
    webhook.verify(payload, headers);
    console.log('verified');
  } catch (error) {
    console.log(error.message.toLowerCase());
  }
}
JS
cat >finding.py <<'PY'
import subprocess
from datetime import datetime, timedelta, timezone

from standardwebhooks import Webhook
from standardwebhooks.webhooks import WebhookVerificationError

SECRET, PAYLOAD = "whsec_MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=", '{"type":"alert.began"}'
webhook = Webhook(SECRET)
now = datetime.now(timezone.utc)
at = str(int(now.timestamp()))


def javascript(*more):
    command = ["node", "finding.js", SECRET, PAYLOAD, at, *more]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def verify(signature):
    headers = {"webhook-id": "msg_1", "webhook-timestamp": at, "webhook-signature": signature}
    try:
        webhook.verify(PAYLOAD, headers)
        python = "verified"
    except WebhookVerificationError as error:
        python = str(error).lower()
    return f"Python {python}, JavaScript {javascript(signature)}"


for zone in [timezone.utc, timezone(timedelta(hours=1))]:
    print(f"signed by Python in {zone}: {verify(webhook.sign('msg_1', now.astimezone(zone), PAYLOAD))}")
print(f"signed by JavaScript: {verify(javascript())}")
PY
said=$(python/bin/python finding.py)
echo "$said"
[[ "$said" == "signed by Python in UTC: Python verified, JavaScript verified
signed by Python in UTC+01:00: Python no matching signature found, JavaScript no matching signature found
signed by JavaScript: Python verified, JavaScript verified" ]]
