#!/usr/bin/env bash
# The decimals of a currency, as Node.js (Intl.NumberFormat) and Babel (get_currency_precision) know them. Programs turn a
# provider's integer amounts into money by them.
#
# A good guess: they are ISO 4217's minor units, as ECMA-402 had it for years. They stay what they are for as long as the
# currency does. So a patch release of the runtime changes no amount, and for a currency that is not on a provider's list of
# exceptions they are right.
# What happens: they are CLDR's, which tells how people write a price. They differ from ISO 4217 for 15 currencies, and they
# change with the data. CLDR 48 took the two decimals from the forint, the Colombian peso and the rupiah. It came with Node.js
# 20.20.1, and with Babel 2.19.0. Nothing fails: the same integer is a hundred times as much money, and a right amount is
# shown rounded, down by one library and up by the other. ISO 4217 has not changed, nor have the providers' hundredths.
#
# node 20.20.0 and 20.20.1 (npm), Babel 2.18.0 and 2.19.0, iso4217 1.16.20260101. Seen:
#   Node.js v20.20.0: 123450 minor units are 1234.5 HUF, and 1234.50 HUF are shown as HUF 1,234.50
#   Node.js v20.20.1: 123450 minor units are 123450 HUF, and 1234.50 HUF are shown as HUF 1,235
#   Babel 2.18.0: 123450 minor units are 1234.50 HUF, and 1234.50 HUF are shown as HUF 1,234.50
#   Babel 2.19.0: 123450 minor units are 123450 HUF, and 1234.50 HUF are shown as HUF 1,234
#   Not as in ISO 4217: AFN ALL COP HUF IDR IQD IRR KPW LAK LBP MGA MMK SOS SYP YER
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
cat >finding.js <<'JS'
const money = new Intl.NumberFormat('en', { style: 'currency', currency: 'HUF', currencyDisplay: 'code' });
const read = 123450 / 10 ** money.resolvedOptions().maximumFractionDigits;
const shown = money.format(1234.5).replace(/\s/, ' ');
console.log(`Node.js ${process.version}: 123450 minor units are ${read} HUF, and 1234.50 HUF are shown as ${shown}`);
JS
cat >finding.py <<'PY'
import sys
from decimal import Decimal

import babel
from babel.numbers import format_currency, get_currency_precision
from iso4217 import Currency

if sys.argv[1:] == ["differ"]:
    iso = {currency.code: currency.exponent for currency in Currency}
    differ = [code for code in sorted(iso) if iso[code] not in (None, get_currency_precision(code))]
    print("Not as in ISO 4217:", *differ)
else:
    read = Decimal(123450).scaleb(-get_currency_precision("HUF"))
    shown = format_currency(Decimal("1234.50"), "HUF", locale="en").replace("HUF", "HUF ")
    print(f"Babel {babel.__version__}: 123450 minor units are {read} HUF, and 1234.50 HUF are shown as {shown}")
PY
echo '{"private": true}' >package.json
kind=$(node -p 'process.platform + "-" + process.arch')
python3 -m venv python
said=$(
    for version in 20.20.0 20.20.1; do
        npm install --silent --no-audit --no-fund "node-$kind@$version" >/dev/null
        "node_modules/node-$kind/bin/node" finding.js
    done
    for version in 2.18.0 2.19.0; do
        python/bin/pip install --quiet --disable-pip-version-check "babel==$version" iso4217==1.16.20260101
        python/bin/python finding.py
    done
    python/bin/python finding.py differ
)
echo "$said"
[[ "$said" == "Node.js v20.20.0: 123450 minor units are 1234.5 HUF, and 1234.50 HUF are shown as HUF 1,234.50
Node.js v20.20.1: 123450 minor units are 123450 HUF, and 1234.50 HUF are shown as HUF 1,235
Babel 2.18.0: 123450 minor units are 1234.50 HUF, and 1234.50 HUF are shown as HUF 1,234.50
Babel 2.19.0: 123450 minor units are 123450 HUF, and 1234.50 HUF are shown as HUF 1,234
Not as in ISO 4217: AFN ALL COP HUF IDR IQD IRR KPW LAK LBP MGA MMK SOS SYP YER" ]]
