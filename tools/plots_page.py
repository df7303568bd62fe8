"""Write ``.dvc/plots/page.html``, the page around the charts of ``dvc plots show``, with Vega's JavaScript inside.

DVC's own page loads Vega from the web and stays blank offline. `make setup` calls this; the page is made, not kept in
git, and only this clone's DVC is told of it: one that has no page falls back to DVC's own.
"""

import subprocess
from pathlib import Path

import vl_convert

PAGE = Path(".dvc/plots/page.html")
LITE = "5.21"  # 5, as the $schema of the templates beside the page

HTML = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
{refresh_tag}
<title>Speech emotion: plots</title>
<!--
Written by tools/plots_page.py. The script holds Vega %(vega)s, Vega-Lite %(lite)s and Vega-Embed %(embed)s, under their
BSD 3-clause licence: https://github.com/vega/vega/blob/main/LICENSE
-->
<style>
  /* The protocols side by side: a row for each kind of plot, whatever the order that DVC writes them in. */
  body { display: flex; flex-wrap: wrap; align-items: flex-start; gap: 1rem; margin: 1rem;
         font-family: system-ui, sans-serif; }
  body > div { order: 9; max-width: 100%%; }
  body > hr { flex-basis: 100%%; height: 0; margin: 0; border: 0; border-top: 1px solid #ddd; }
  div[id$="summary_csv"] { order: 1; }      .o2 { order: 2; }
  div[id$="_history_csv"] { order: 3; }     .o4 { order: 4; }
  div[id$="_confusion_csv"] { order: 5; }   .o6 { order: 6; }
  div[id$="_per_class_csv"] { order: 7; }   .o8 { order: 8; }
  div[id$="_reliability_csv"] { order: 9; } .o10 { order: 10; }
  div[id$="_risk_coverage_csv"] { order: 11; }   .o12 { order: 12; }
  div[id$="_png"] { order: 13; border: 0 !important; overflow-x: auto; }
  div[id$="_png"] > div { border: 0 !important; }
  div[id$="_png"] img { max-width: 90vw; max-height: 20rem; }
</style>
<script>
%(script)s
</script>
</head>
<body>
<hr class="o2"><hr class="o4"><hr class="o6"><hr class="o8"><hr class="o10"><hr class="o12">
{plot_divs}
</body>
</html>
"""


def main() -> None:
    """Write the page."""
    script = vl_convert.javascript_bundle(snippet=None, vl_version=LITE)  # type: ignore[arg-type]
    values = {"vega": vl_convert.get_vega_version(), "lite": LITE, "embed": vl_convert.get_vega_embed_version()}
    PAGE.write_text(HTML % {**values, "script": script}, encoding="utf-8")
    command = ["dvc", "config", "--local", "plots.html_template", PAGE.relative_to(".dvc").as_posix()]
    subprocess.run(command, check=True)


if __name__ == "__main__":
    main()
