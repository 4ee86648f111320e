from transforms.gold import project
from transforms.run import active


def model(dbt, session):
    dbt.config(materialized="published")
    return project(active(), dbt.ref("image_features"), dbt.ref("pca"))
