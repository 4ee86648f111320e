-- How many photos each variety has, and how far they are spread.
-- Grain: one row per label, most photos first.
-- Parameters: none.
select
    label,
    photos,
    share,
    spread
from gold.label_summary
order by photos desc, label
