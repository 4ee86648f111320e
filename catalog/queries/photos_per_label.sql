-- How many photos each variety has, and how much they vary.
-- Grain: one row per label, most photos first.
-- Parameters: none.
select
    label,
    photos,
    share,
    spread
from gold.label_summary
order by photos desc, label
