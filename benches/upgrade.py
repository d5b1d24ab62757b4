#!/usr/bin/env python3
"""Makes a large store as version 0.1.0 left it, to measure how long a start takes that brings it up to date.

    benches/upgrade.py FILE [EVENTS]            a new SQLite database
    benches/upgrade.py postgres://... [EVENTS]  an empty PostgreSQL database; needs psql

Then `time DATABASE_URL=sqlite://FILE refairn-bridge check`. Two Stripe endpoints hear one account: every twentieth event
is the second report of a sale, and its call is held. Nobody of these people exists.
"""
import os, sqlite3, subprocess, sys

PLACE, EVENTS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
LITE = not PLACE.startswith("postgres")
SCHEMA = f"{os.path.dirname(os.path.abspath(__file__))}/../migrations/{'sqlite' if LITE else 'postgres'}"

START = 1_790_000_000_000_000  # microseconds
NUMBERS = (f"(WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {EVENTS}) SELECT n FROM c) s"
           if LITE else f"generate_series(1, {EVENTS}) AS s (n)")
ENDPOINT = "CASE WHEN n % 20 = 0 THEN 'shop-2' ELSE 'shop' END"
SCOPE = f"{ENDPOINT} || '//live'"
SALE = "(CASE WHEN n % 20 = 0 THEN n - 1 ELSE n END)"
CUSTOMER = f"({SALE} % 200000)"
EMAIL = f"'c' || {CUSTOMER} || '@example.com'"
ANY_ID = "" if LITE else "OVERRIDING SYSTEM VALUE"
# A webhook as that version kept it, in a frame of zstd's whose one block is as it is: as long as the real ones are, which
# are three times as long before they are compressed.
FRAME = "frame" if LITE else "pg_temp.frame"
FILLER = "substr(replace(hex(zeroblob(900)), '00', 'x'), 1, 300 + n % 600)" if LITE else "repeat('x', 300 + n % 600)"
BODY = f"""{FRAME}('{{"id":"evt_' || n || '","object":"event","api_version":"2024-06-20","created":1790000000,"livemode":true,
"type":"invoice.paid","data":{{"object":{{"id":"in_' || {SALE} || '","object":"invoice","amount_due":2900,"amount_paid":2900,
"currency":"usd","billing_reason":"subscription_cycle","customer":"cus_' || {CUSTOMER} || '","customer_email":"' || {EMAIL} || '",
"customer_name":"{"x" * 300}","charge":"ch_' || {SALE} || '","payment_intent":"pi_' || {SALE} || '",
"subscription":"sub_' || {CUSTOMER} || '","status":"paid","paid":true,"livemode":true,"metadata":{{"filler":"' || {FILLER} || '"}},
"total":2900,"subtotal":2900,"status_transitions":{{"paid_at":1790000000}},"lines":{{"object":"list","has_more":false,"data":
[{{"id":"il_' || {SALE} || '","object":"line_item","amount":2900,"currency":"usd","price":{{"id":"price_1","product":"prod_s"}}}}]
}}}}}}}}')"""
FRAME_OF_POSTGRES = """CREATE FUNCTION pg_temp.frame(body TEXT) RETURNS BYTEA LANGUAGE SQL AS $$
SELECT CAST('\\x28b52ffd60' AS BYTEA) || set_byte(set_byte(CAST('\\x0000' AS BYTEA), 0, (n - 256) & 255), 1, (n - 256) >> 8)
|| set_byte(set_byte(set_byte(CAST('\\x000000' AS BYTEA), 0, (n * 8 + 1) & 255), 1, (n * 8 + 1) >> 8 & 255), 2, (n * 8 + 1) >> 16)
|| convert_to(body, 'UTF8') FROM (SELECT octet_length(body) AS n) AS length $$;
"""


def frame(body):
    body = body.encode()
    block = (len(body) << 3 | 1).to_bytes(3, "little")
    return b"\x28\xb5\x2f\xfd\x60" + (len(body) - 256).to_bytes(2, "little") + block + body


FACT = f"""'{{"mode":"live","at":"2026-09-20T00:00:00Z","customer":"cus_' || {CUSTOMER} || '","keys":["cus_' || {CUSTOMER} || '",
"sub_' || {CUSTOMER} || '","in_' || {SALE} || '","pi_' || {SALE} || '","ch_' || {SALE} || '"],"email":"' || {EMAIL} || '","name":"{"x" * 300}",
"product":{{"id":"prod_demo"}},"matter":{{"kind":"payment","identity":"in_' || {SALE} || '","amount":"29","charged":"29",
"currency":"USD","day":"2026-09-20","subscription":"sub_' || {CUSTOMER} || '","awaits_checkout":false,"primary":true}}}}'"""
SUBJECT = f"""'{{"payment":{{"scope":"' || {SCOPE} || '","identity":"in_' || {SALE} || '"}}}}'"""
CALL = f"""'{{"call":"payment_succeeded","product":"prod_demo","email":"' || {EMAIL} || '","amount":"29","currency":"USD",
"status":"active","day":"2026-09-20"}}'"""
KEYS = [f"'in_' || {SALE}", f"'ch_' || {SALE}", f"'pi_' || {SALE}", f"'payment in_' || {SALE}", f"'cus_' || {CUSTOMER}",
        f"'sub_' || {CUSTOMER}"]

ROWS = [
    f"INSERT INTO events (id, endpoint, provider, business, dedup_key, provider_event_id, type, state, received_at) {ANY_ID} "
    f"SELECT n, {ENDPOINT}, 'stripe', 'biz_demo', '/evt_' || n, 'evt_' || n, 'invoice.paid', 'mapped', {START} + n * 1000 "
    f"FROM {NUMBERS}",
    f"INSERT INTO bodies SELECT n, {BODY} FROM {NUMBERS}",
    f"INSERT INTO facts SELECT n, 'biz_demo', {SCOPE}, 'cus_' || {CUSTOMER}, {EMAIL}, 0, {START} + n * 1000, {FACT} "
    f"FROM {NUMBERS}",
    *(f"INSERT INTO known SELECT {SCOPE}, {key}, {EMAIL}, {START} + n * 1000 FROM {NUMBERS} WHERE true ON CONFLICT DO NOTHING"
      for key in KEYS),
    f"INSERT INTO deliveries (id, business, email_key, event_id, subject_key, subject, kind, mode, at, call, state, attention, "
    f"released, acknowledged, due_at, attempts, first_attempt_at, outcome_unknown, settled_at, created_at) {ANY_ID} "
    f"SELECT n, 'biz_demo', {EMAIL}, n, 'payment ' || {SCOPE} || ' in_' || {SALE}, {SUBJECT}, 'payment-succeeded', 'live', "
    f"{START}, {CALL}, CASE WHEN n % 20 = 0 THEN 'held' ELSE 'delivered' END, 0, 0, 0, {START}, 1, {START}, 0, {START}, {START} "
    f"FROM {NUMBERS} WHERE n % 2 = 1 OR n % 20 = 0",
]
VERSION = ("PRAGMA user_version = 2" if LITE else
           "CREATE TABLE schema_version (version BIGINT NOT NULL); INSERT INTO schema_version VALUES (2)")

tables = "".join(open(f"{SCHEMA}/{name}.sql").read() for name in ("0001_initial", "0002_lookups"))
script = ";\n".join([f"BEGIN;\n{tables}", *ROWS, VERSION, "COMMIT;\n"])
if LITE:
    database = sqlite3.connect(PLACE, isolation_level=None)
    database.create_function("frame", 1, frame, deterministic=True)
    database.executescript("PRAGMA journal_mode = WAL;\n" + script)
else:
    script += "SELECT setval('events_id_seq', MAX(id)) FROM events; SELECT setval('deliveries_id_seq', MAX(id)) FROM deliveries;\n"
    subprocess.run(["psql", "-q", "-v", "ON_ERROR_STOP=1", "-d", PLACE], input=FRAME_OF_POSTGRES + script + "VACUUM ANALYZE;\n", text=True, check=True)
