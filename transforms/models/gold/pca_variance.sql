with pca as (

    select pca_id, k, eigenvalues from {{ ref('pca') }}

),

components as (

    select
        pca_id,
        k,
        position + 1 as component,
        eigenvalue
    from pca
    lateral view posexplode(eigenvalues) as position, eigenvalue

),

shares as (

    select
        *,
        coalesce(eigenvalue / nullif(sum(eigenvalue) over (partition by pca_id), 0), 0) as ratio
    from components

)

select
    component,
    eigenvalue,
    ratio,
    sum(ratio) over (partition by pca_id order by component) as cumulative,
    component <= k as kept,
    pca_id
from shares
