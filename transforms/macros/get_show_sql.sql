{# `dbt show` of a Python model shows its published table: its own code is not SQL. #}
{% macro get_show_sql(compiled_code, sql_header, limit) -%}
  {{ get_limit_subquery_sql('select * from ' ~ this if model['language'] == 'python' else compiled_code, limit) }}
{%- endmacro %}
