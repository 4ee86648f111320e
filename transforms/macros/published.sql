{# One materialization for SQL and Python models: the model's rows go to transforms/publish.py.
   With --full-refresh, models are built even if their inputs have not changed, and Python models are not incremental. #}
{% materialization published, adapter='spark', supported_languages=['sql', 'python'] %}
  {%- set relation = this.incorporate(type='table') -%}
  {{ run_hooks(pre_hooks) }}
  {%- call statement('main', language='python') -%}
full_refresh = {{ should_full_refresh() }}
{% if model['language'] == 'sql' %}
def build(run):
    return BuildResult(run.spark.sql({{ compiled_code | tojson }}), replace=True)
{% else %}
{{ compiled_code }}

def build(run):
    dbt = dbtObj(run.spark.table)
    dbt.is_incremental = not full_refresh
    return model(dbt, run)
{% endif %}
  {%- endcall -%}
  {{ run_hooks(post_hooks) }}
  {{ return({'relations': [relation]}) }}
{% endmaterialization %}
