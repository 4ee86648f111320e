with numbers as (

    select label, image_id, position, number
    from {{ ref('fruit_vectors') }}
    lateral view posexplode(vector) as position, number

),

dimensions as (

    select
        label,
        position,
        count(*) as photos,
        avg(number) as centre,
        var_pop(number) as variance
    from numbers
    group by label, position

),

labels as (

    select
        label,
        max(photos) as photos,
        sqrt(sum(variance)) as spread,
        transform(array_sort(collect_list(struct(position, centre))), d -> d.centre) as centroid
    from dimensions
    group by label

)

select
    label,
    photos,
    photos / sum(photos) over () as share,
    spread,
    centroid
from labels
