-- Macros that give DuckDB the results of Trino's functions; trino.py replaces the functions by them.
CREATE MACRO trino_substr(x, start) AS
    CASE WHEN start = 0 OR start < -length(x) THEN CASE WHEN x IS NOT NULL THEN '' END ELSE substr(x, start) END,
  (x, start, n) AS
    CASE WHEN start = 0 OR start < -length(x) OR n <= 0
      THEN CASE WHEN x IS NOT NULL AND start IS NOT NULL AND n IS NOT NULL THEN '' END
      ELSE substr(x, start, n) END;
CREATE MACRO trino_split_part(x, delimiter, n) AS
    CASE WHEN n <= len(string_split(x, delimiter)) THEN split_part(x, delimiter, n) END;
CREATE MACRO trino_regexp_extract(x, pattern, g) AS
    CASE WHEN regexp_matches(x, pattern) THEN regexp_extract(x, pattern, g) END;
CREATE MACRO trino_bucket(x, low, high, n) AS
    CASE WHEN x < low THEN 0 WHEN x >= high THEN n + 1
      ELSE CAST(floor(n * (x - low) / (high - low) + 1) AS BIGINT) END;
CREATE MACRO trino_width_bucket(x, bins) AS
    CASE WHEN x IS NULL OR bins IS NULL THEN NULL
      WHEN isnan(CAST(x AS DOUBLE)) OR len(bins) = 0 OR bins <> list_sort(bins)
        THEN error('width_bucket takes a number and bins in ascending order')
      ELSE len(list_filter(bins, lambda bin : bin <= x)) END,
  (x, low, high, n) AS
    CASE WHEN x IS NULL OR low IS NULL OR high IS NULL OR n IS NULL THEN NULL
      WHEN n <= 0 OR low = high OR isnan(CAST(x AS DOUBLE)) OR NOT isfinite(CAST(low AS DOUBLE))
          OR NOT isfinite(CAST(high AS DOUBLE))
        THEN error('width_bucket takes a number, two finite bounds that differ, and a count above 0')
      WHEN low < high THEN trino_bucket(CAST(x AS DOUBLE), CAST(low AS DOUBLE), CAST(high AS DOUBLE), n)
      ELSE n + 1 - trino_bucket(CAST(x AS DOUBLE), CAST(high AS DOUBLE), CAST(low AS DOUBLE), n) END;
CREATE MACRO trino_any(truths) AS
    CASE WHEN list_contains(truths, true) THEN true WHEN list_count(truths) = len(truths) THEN false END;
CREATE MACRO trino_all(truths) AS
    CASE WHEN list_contains(truths, false) THEN false WHEN list_count(truths) = len(truths) THEN true END;
CREATE MACRO trino_contains(a, x) AS
    CASE WHEN list_contains(a, x) THEN true WHEN x IS NOT NULL AND list_count(a) = len(a) THEN false END;
CREATE MACRO trino_array_position(a, x) AS
    CASE WHEN a IS NOT NULL AND x IS NOT NULL THEN coalesce(list_position(a, x), 0) END;
CREATE MACRO trino_array_max(a) AS CASE WHEN list_count(a) = len(a) THEN list_max(a) END;
CREATE MACRO trino_array_min(a) AS CASE WHEN list_count(a) = len(a) THEN list_min(a) END;
CREATE MACRO trino_sequence(first, last) AS
    generate_series(first, last, CASE WHEN first <= last THEN 1 ELSE -1 END);
CREATE MACRO trino_slice(a, start, n) AS
    CASE WHEN start = 0 OR n < 0 THEN error('slice counts from 1 or from -1, and takes no negative length')
      WHEN start > 0 THEN list_slice(a, start, start + n - 1)
      WHEN start >= -len(a) THEN list_slice(a, len(a) + start + 1, len(a) + start + n)
      WHEN a IS NOT NULL THEN list_slice(a, 1, 0) END;
CREATE MACRO trino_map_agg(key, value) AS
    map_from_entries(list_filter(
      list({'k': key, 'v': value}) FILTER (WHERE key IS NOT NULL),
      lambda entry, i : list_position(list(key) FILTER (WHERE key IS NOT NULL), entry.k) = i));
