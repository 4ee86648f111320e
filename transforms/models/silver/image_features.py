from transforms.run import active
from transforms.silver import new_features


def model(dbt, session):
    dbt.config(materialized="published", meta={"decides_itself": True})
    return new_features(active(), dbt.ref("images"))
