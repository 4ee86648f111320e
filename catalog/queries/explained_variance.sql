-- How much of the variance each kept component explains, on its own and cumulatively.
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
