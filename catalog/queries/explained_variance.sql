-- How much of the variance each kept component explains, alone and with all before it.
-- Grain: one row per kept principal component, from the first.
-- Parameters: none.
select
    component,
    eigenvalue,
    ratio,
    cumulative
from gold.pca_variance
where kept
order by component
