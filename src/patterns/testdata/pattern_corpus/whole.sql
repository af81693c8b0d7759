-- title: A guest is slow
-- means: What it is,
--   and why.
-- needs: block@host,  block@guest ,
--    sched@host
-- severity: critical
-- text: {victim} took: {mean_ns}
-- advice: Look.
SELECT 1 AS victim -- a comment
FROM machine

-- evidence: The longest ones
SELECT 1
-- evidence:  Two
-- a comment
SELECT 2
