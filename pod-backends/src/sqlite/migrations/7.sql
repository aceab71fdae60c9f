-- Who holds the lease, and until when: by the time since the machine was started, which nobody can set. Under another start
-- of the machine it has lapsed.
ALTER TABLE lease ADD COLUMN holder TEXT;
ALTER TABLE lease ADD COLUMN holder_url TEXT;
ALTER TABLE lease ADD COLUMN expires INTEGER;
ALTER TABLE lease ADD COLUMN expires_boot TEXT;
