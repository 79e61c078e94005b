-- Counts of pacing are deleted by their age. Each new row enters the index at its end.
CREATE INDEX paced_age ON paced (at);
