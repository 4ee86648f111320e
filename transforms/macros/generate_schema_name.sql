{# The schema is the layer, with the lake's prefix: `fruits_gold`, not dbt's default `<target schema>_gold`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ env_var('FRUITLAKE_DATABASE_PREFIX', 'fruits') }}_{{ custom_schema_name or target.schema }}
{%- endmacro %}
