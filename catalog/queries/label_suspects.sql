-- Photos that may have the wrong label: they are nearer to another variety's centroid than to their own.
-- Grain: one row per photo, most suspicious first.
-- Parameters, one per question mark, in order:
--   label (default ''): only this variety; '' for all
select
    image_id,
    label,
    nearest_label,
    distance,
    nearest_distance
from gold.label_suspects
where ? in ('', label)
order by nearest_distance / distance, image_id
