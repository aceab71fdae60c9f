-- The order in which the output came: runs of bytes. None for attempts of before.
ALTER TABLE attempts ADD COLUMN output_order BLOB;
