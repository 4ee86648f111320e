-- How the lake grew: what each batch of photos added.
-- Grain: one row per batch, oldest first.
-- Parameters: none.
select
    batch,
    min(ingested_at) as ingested_at,
    count(*) as photos,
    count(distinct label) as labels,
    cast(sum(size) as bigint) as bytes,
    cast(sum(count(*)) over (order by batch) as bigint) as photos_so_far
from bronze.images
group by batch
order by batch
