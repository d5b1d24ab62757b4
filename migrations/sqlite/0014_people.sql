-- Who may look and act beside the holder of the admin token. The token itself is nowhere.
CREATE TABLE access (
    id         INTEGER PRIMARY KEY,
    name       TEXT NOT NULL,
    role       TEXT NOT NULL,
    -- The only business that it sees; all of them when there is none.
    business   TEXT,
    -- SHA-256 of the token, in hexadecimal digits.
    hash       TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    ends_at    INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

-- What people decided. Rows are added, and never changed.
CREATE TABLE audit (
    id         INTEGER PRIMARY KEY,
    at         INTEGER NOT NULL,
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
) STRICT;

CREATE INDEX audit_of_item ON audit (item, id);

-- What somebody has to see or do something about now. Each was told of once.
CREATE TABLE alerts (
    item     TEXT NOT NULL PRIMARY KEY,
    kind     TEXT NOT NULL,
    began_at INTEGER NOT NULL
) STRICT;

-- Messages about that which have not arrived yet, for each place that they are sent to.
CREATE TABLE alert_messages (
    id      INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    item    TEXT NOT NULL,
    notice  TEXT NOT NULL,
    made_at INTEGER NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    due_at  INTEGER NOT NULL
) STRICT;

-- Which of several replicas looks and sends, and until when.
CREATE TABLE alert_watch (
    id     INTEGER NOT NULL PRIMARY KEY,
    holder TEXT NOT NULL,
    until  INTEGER NOT NULL
) STRICT;
