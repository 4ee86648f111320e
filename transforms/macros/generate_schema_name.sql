{# The layer is the schema: `gold`, not dbt's default `<target schema>_gold`. #}
{% macro generate_schema_name(custom_schema_name, node) -%}
  {{ custom_schema_name or target.schema }}
{%- endmacro %}
