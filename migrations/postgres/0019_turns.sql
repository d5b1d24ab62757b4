-- The index of the routes has business and time in a form of its own. Who asks for a customer is not led there, through all that
-- is queued for a business, and who asks for a route is led nowhere else. Statistics of a queue nearly always say that it is
-- empty, and then all indexes look alike.
DROP INDEX queue_by_route;
CREATE INDEX queue_by_route ON queue ((business || ''), product, (due_at + 0));
