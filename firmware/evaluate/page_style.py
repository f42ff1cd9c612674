"""How the report page looks. One style sheet, inside the page, for screen and paper."""

STYLE = """
:root { --ink: #1c2733; --soft: #5b6875; --line: #dce2e8; --back: #f5f7f9; --good: #14713f; --bad: #b3261e;
  --open: #8a5a00; --bar: #2f6f9f; }
* { box-sizing: border-box; }
body { font: 15px/1.5 system-ui, "Segoe UI", "Noto Sans", Arial, sans-serif; color: var(--ink); margin: 0;
  background: var(--back); }
main { max-width: 1120px; margin: 0 auto; padding: 28px 24px 60px; }
h1 { font-size: 26px; margin: 0 0 2px; }
h2 { font-size: 19px; margin: 34px 0 8px; }
.sum { font-size: 18px; margin: 12px 0; max-width: none; }
p { margin: 6px 0; max-width: 860px; }
.soft, figcaption, caption { color: var(--soft); }
.soft { font-size: 13.5px; }
.warn { border-left: 5px solid var(--bad); background: #fdf0ee; padding: 10px 14px; margin: 14px 0; max-width: none; }
.note { border-left: 5px solid var(--open); background: #fdf6e6; padding: 10px 14px; margin: 14px 0; max-width: none; }
table { border-collapse: collapse; background: #fff; width: 100%; border: 1px solid var(--line); }
th, td { padding: 7px 10px; text-align: left; border-top: 1px solid var(--line); vertical-align: top; }
thead th { font-weight: 600; font-size: 13px; color: var(--soft); border-top: 0; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; }
td.wide { overflow-wrap: anywhere; }
.pill { display: inline-block; padding: 1px 11px; border-radius: 11px; font-weight: 600; white-space: nowrap; }
.met { background: #e1f3e8; color: var(--good); } .missed { background: #fbe3e0; color: var(--bad); }
.open { background: #fbf0d9; color: var(--open); } .none { background: #eceff2; color: var(--soft); }
.off { color: var(--bad); font-weight: 600; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(340px, 1fr)); gap: 14px; }
.card, figure { background: #fff; border: 1px solid var(--line); padding: 10px; margin: 0; }
.sheet { display: grid; grid-template-columns: repeat(auto-fill, minmax(255px, 1fr)); gap: 10px; align-items: start; }
.sheet.large { grid-template-columns: repeat(auto-fill, minmax(480px, 1fr)); }
figure img { display: block; max-width: 100%; max-height: 340px; }
figcaption { font-size: 12.5px; margin-top: 5px; overflow-wrap: anywhere; }
code { font-size: 12.5px; overflow-wrap: anywhere; }
details { background: #fff; border: 1px solid var(--line); padding: 8px 12px; margin-top: 10px; }
summary { cursor: pointer; font-weight: 600; }
details table { border: 0; font-size: 13.5px; }
svg text { font: 12.5px system-ui, "Segoe UI", "Noto Sans", Arial, sans-serif; fill: var(--ink); }
@media print { body { background: #fff; } figure, tr, .card { break-inside: avoid; } }
"""
