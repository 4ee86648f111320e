with centroids as (

    select
        label,
        centroid,
        pca_id,
        sqrt(aggregate(centroid, 0d, (total, x) -> total + x * x)) as norm
    from {{ ref('label_summary') }}

),

pairs as (

    select
        a.label,
        b.label as other_label,
        a.pca_id,
        aggregate(zip_with(a.centroid, b.centroid, (x, y) -> x * y), 0d, (total, x) -> total + x)
        / nullif(a.norm * b.norm, 0) as cosine
    from centroids as a
    inner join centroids as b on a.label <> b.label

)

select
    label,
    other_label,
    cosine,
    row_number() over (partition by label order by cosine desc, other_label) as rank,
    pca_id
from pairs
