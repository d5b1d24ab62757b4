-- Who may look and act beside the holder of the admin token. The token itself is nowhere.
CREATE TABLE access (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    -- The only business that it sees; all of them when there is none.
    business   TEXT,
    -- SHA-256 of the token, in hexadecimal digits.
    hash       TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT NOT NULL,
    ends_at    BIGINT NOT NULL,
    revoked_at BIGINT
);

-- What people decided. Rows are added, and never changed.
CREATE TABLE audit (
    id         BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at         BIGINT NOT NULL,
    who        TEXT NOT NULL,
    via        TEXT NOT NULL,
    decision   TEXT NOT NULL,
    -- Our id of what it is about: dlv_9, evt_17, bkf_3, acc_2.
    item       TEXT NOT NULL,
    -- Whose item it is; nothing of what is no business's.
    business   TEXT,
    note       TEXT,
    -- State and reason of the item before and after, and the day of its payment.
    was        TEXT,
    became     TEXT,
    day_was    TEXT,
    day_became TEXT
);

CREATE INDEX audit_of_item ON audit (item, id);

-- What somebody has to see or do something about now. Each was told of once.
CREATE TABLE alerts (
    item     TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    began_at BIGINT NOT NULL
);

-- Messages about that which have not arrived yet, for each place that they are sent to.
CREATE TABLE alert_messages (
    id      BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    channel TEXT NOT NULL,
    item    TEXT NOT NULL,
    notice  TEXT NOT NULL,
    made_at BIGINT NOT NULL,
    tries   BIGINT NOT NULL DEFAULT 0,
    due_at  BIGINT NOT NULL
);

-- Which of several replicas looks and sends, and until when.
CREATE TABLE alert_watch (
    id     BIGINT NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  BIGINT NOT NULL
);
