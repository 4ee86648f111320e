from transforms.gold import fit_pca
from transforms.run import active


def model(dbt, session):
    dbt.config(materialized="published", meta={"decides_itself": True})
    return fit_pca(active(), dbt.ref("image_features"))
