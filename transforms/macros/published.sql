{# One materialization for SQL and Python models: the model's rows go to transforms/publish.py. #}
{% materialization published, adapter='spark', supported_languages=['sql', 'python'] %}
  {%- set relation = this.incorporate(type='table') -%}
  {{ run_hooks(pre_hooks) }}
  {%- call statement('main', language='python') -%}
{% if model['language'] == 'sql' %}
def rows():
    return spark.sql({{ compiled_code | tojson }})
{% else %}
{{ compiled_code }}

def rows():
    return model(dbtObj(spark.table), spark)
{% endif %}
  {%- endcall -%}
  {{ run_hooks(post_hooks) }}
  {{ return({'relations': [relation]}) }}
{% endmaterialization %}
