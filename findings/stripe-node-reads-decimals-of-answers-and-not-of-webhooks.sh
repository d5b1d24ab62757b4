#!/usr/bin/env bash
# Stripe's library for Node.js, which reads one price from an answer of the API and from a webhook.
#
# A good guess: an object that is declared as one type is of that type, wherever it came from. A text such as
# unit_amount_decimal is a Decimal since version 21, in the API's answers and in events alike. Stripe's library for Python,
# which made the same change in version 15, does read it so in both.
# What happens: in Node.js only what a method of the API answers is turned into Decimals. An event keeps the texts of its JSON,
# from constructEvent and from a list of events. The declarations say Decimal for all three, so the compiler agrees to a
# handler that fails at the first webhook. Objects of both ways are never deeply equal.
#
# stripe 23.1.0 (npm), typescript 5.9.3, stripe 16.1.0 (PyPI). Seen:
#   compiled
#   answer: object, twice 0.05 is 0.1
#   listed event: string, TypeError: amount.add is not a function
#   webhook: string, TypeError: amount.add is not a function
#   deeply equal: false
#   webhook in Python: Decimal, twice 0.05 is 0.10
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund stripe@23.1.0 typescript@5.9.3 @types/node@20.19.25 >/dev/null
python3 -m venv python
python/bin/pip install --quiet --disable-pip-version-check stripe==16.1.0
cat >finding.ts <<'TS'
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { isDeepStrictEqual } from 'node:util';
import Stripe from 'stripe';

const price = { id: 'price_1', object: 'price', currency: 'usd', unit_amount: null, unit_amount_decimal: '0.05' };
const event = { id: 'evt_1', object: 'event', type: 'price.created', data: { object: price } };
const list = { object: 'list', url: '/v1/events', has_more: false, data: [event] };

function twice(way: string, { unit_amount_decimal: amount }: Stripe.Price): void {
  if (amount === null) return;
  let said;
  try {
    said = `twice ${amount} is ${amount.add(amount)}`;
  } catch (error) {
    said = error;
  }
  console.log(`${way}: ${typeof amount}, ${said}`);
}

function told(event: Stripe.Event): Stripe.Price {
  if (event.type !== 'price.created') throw new Error(event.type);
  return event.data.object;
}

const server = createServer(({ url }, response) => {
  response.setHeader('content-type', 'application/json');
  response.end(JSON.stringify(url?.startsWith('/v1/events') ? list : price));
});
server.listen(0, '127.0.0.1', async () => {
  const { port } = server.address() as AddressInfo;
  const stripe = new Stripe('sk_test_1', { host: '127.0.0.1', port, protocol: 'http', telemetry: false });
  const answer = await stripe.prices.retrieve('price_1');
  const [listed] = (await stripe.events.list()).data;
  const payload = JSON.stringify(event);
  const secret = 'whsec_1';
  const header = stripe.webhooks.generateTestHeaderString({ payload, secret });
  const webhook = told(stripe.webhooks.constructEvent(payload, header, secret));
  twice('answer', answer);
  twice('listed event', told(listed!));
  twice('webhook', webhook);
  console.log(`deeply equal: ${isDeepStrictEqual({ ...answer, lastResponse: 0 }, { ...webhook, lastResponse: 0 })}`);
  server.close();
});
TS
cat >finding.py <<'PY'
import hashlib, hmac, json, time
import stripe

price = {"id": "price_1", "object": "price", "currency": "usd", "unit_amount": None, "unit_amount_decimal": "0.05"}
payload = json.dumps({"id": "evt_1", "object": "event", "type": "price.created", "data": {"object": price}})
at = int(time.time())
signature = hmac.new(b"whsec_1", f"{at}.{payload}".encode(), hashlib.sha256).hexdigest()
event = stripe.Webhook.construct_event(payload, f"t={at},v1={signature}", "whsec_1")
amount = event.data.object.unit_amount_decimal
print(f"webhook in Python: {type(amount).__name__}, twice {amount} is {amount + amount}")
PY
npx tsc --strict --skipLibCheck --target es2022 --module nodenext --moduleResolution nodenext finding.ts
said=$(
    echo compiled
    node finding.js
    python/bin/python finding.py
)
echo "$said"
[[ "$said" == "compiled
answer: object, twice 0.05 is 0.1
listed event: string, TypeError: amount.add is not a function
webhook: string, TypeError: amount.add is not a function
deeply equal: false
webhook in Python: Decimal, twice 0.05 is 0.10" ]]
