// Carries a visitor's referral code into this page's checkouts: docs/codes.md of refairn-bridge.
(() => {
  "use strict";
  const NAME = "refairn_code";
  const ATTRIBUTE = "client-reference-id";
  const TAGS = ["stripe-pricing-table", "stripe-buy-button"];
  const drawn = TAGS.some((tag) => customElements.get(tag));
  const script = document.currentScript || document.querySelector('script[src*="/refairn.js"]');
  const keeps = script?.dataset.store !== "off";

  const said = new Set();
  const say = (words) => {
    if (!said.has(words)) console.info("refairn.js: " + words);
    said.add(words);
  };
  // Cookies and storage may be shut.
  const attempt = (action) => {
    try { return action(); } catch { return undefined; }
  };

  // What the bridge takes for a code.
  const valid = (text) => {
    const code = (text || "").replace(/[\p{Cf}\p{DI}]/gu, "").trim();
    return /^[^\s\p{Cc}!-,/:-@[-^`{-~\ufffd]{1,64}$/u.test(code)
      && !/^(undefined|null|none|nan|false|true|-)$/i.test(code) && code;
  };
  const kept = () => {
    const { code, at } = JSON.parse(localStorage.getItem(NAME));
    return Date.now() - at < 90 * 864e5 && valid(code);
  };
  const given = () => {
    const cookies = document.cookie.replace(/&/g, "%26").replace(/; */g, "&");
    return new URLSearchParams(cookies + location.search.replace("?", "&")).getAll(NAME).map(valid).find(Boolean);
  };

  // The first code that was met stays.
  let code;
  const find = () => {
    if (code) return code;
    code = keeps && attempt(kept);
    if (!code && (code = attempt(given)) && keeps) {
      attempt(() => localStorage.setItem(NAME, JSON.stringify({ code, at: Date.now() })));
    }
    say("code: " + (code || "none"));
    if (code) sweep(document);
    return code;
  };

  // Stripe drops what has other characters, without a word.
  const reference = (held) => {
    if (!find() || held === "refairn_" + code) return;
    if (held) say("client_reference_id is yours, so Stripe has no code");
    else if (/[^\w-]/.test(code)) say("client_reference_id takes A-Z, a-z, 0-9, - and _, so Stripe has no code");
    else return "refairn_" + code;
  };
  const carry = (element) => {
    if (TAGS.includes(element.localName)) {
      const id = reference(element.getAttribute(ATTRIBUTE));
      if (id) {
        if (drawn) say("Stripe came first, so Stripe may have no code");
        element.setAttribute(ATTRIBUTE, id);
      }
    } else if (/^https:\/\/(buy|book|donate)\.stripe\.com\//.test(element.href)) {
      const id = reference(new URLSearchParams(element.search).get("client_reference_id"));
      if (id) element.search += (element.search && "&") + "client_reference_id=" + id;
    }
  };
  const sweep = (node) => {
    carry(node);
    node.querySelectorAll?.("a[href]," + TAGS).forEach(carry);
  };

  // Paystack's popup writes into the metadata that it is given, so that is a copy.
  const withCode = (options) => {
    // The popup hands it to itself.
    if (!options || options.inlineTransaction || !find()) return options;
    if (options.accessCode) {
      say("with an accessCode, Paystack has the code from your server alone");
      return options;
    }
    const metadata = options.metadata || {};
    const names = [].concat(metadata.custom_fields, Object.keys(metadata)).map((field) => field?.variable_name || field);
    const held = names.some((name) => /^(refairn_code|referral_?code)$/i.test(name));
    if (held || typeof metadata !== "object" || Array.isArray(metadata)) return options;
    return { ...options, metadata: { ...metadata, [NAME]: code } };
  };
  let popup;
  const look = () => {
    if (window.PaystackPop === popup) return;
    popup = window.PaystackPop;
    const methods = popup?.prototype || {};
    for (const name of ["newTransaction", "checkout", "paymentRequest"]) {
      const method = methods[name];
      if (method) methods[name] = function (options, ...rest) { return method.call(this, withCode(options), ...rest); };
    }
  };

  // Stripe's elements may read it only once, when they come into the page.
  const define = customElements.define;
  customElements.define = function (name, type, options) {
    const connected = TAGS.includes(name) && type.prototype.connectedCallback;
    if (connected) type.prototype.connectedCallback = function () { carry(this); connected.call(this); };
    define.call(this, name, type, options);
  };

  window.refairn = { get code() { return find() || undefined; } };
  find();
  look();
  new MutationObserver((changes) => {
    look();
    for (const { target, addedNodes } of changes) {
      carry(target);
      addedNodes.forEach(sweep);
    }
  }).observe(document, { subtree: true, childList: true, attributeFilter: ["href", ATTRIBUTE] });
  document.addEventListener("load", look, true);
})();
