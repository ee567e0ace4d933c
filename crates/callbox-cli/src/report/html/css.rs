//! How the page looks. Colours are named once for light and once for dark; paper is always light.

/// The page's style sheet.
pub const CSS: &str = "
:root {
  color-scheme: light dark;
  --paper: #ffffff; --ink: #16202c; --quiet: #5a6675; --hair: #e3e8ee; --rule: #9aa5b1; --panel: #f6f8fa;
  --first: #1f5fbf; --second: #b4540a; --failed: #c0262d; --area: #1f5fbf1f; --warn: #8a5a00; --warn-paper: #fff7e0;
  --h1: #dbe9f9; --h2: #b5d3f1; --h3: #85b6e6; --h4: #5595d6; --h5: #2f72bd; --h6: #174f95; --h7: #082f66;
}
@media screen and (prefers-color-scheme: dark) {
  :root {
    --paper: #11161d; --ink: #e6ebf1; --quiet: #9aa7b5; --hair: #27303b; --rule: #66717e; --panel: #191f28;
    --first: #6aa9f5; --second: #f2a65a; --failed: #ff7b7b; --area: #6aa9f526; --warn: #f0c668; --warn-paper: #2a2412;
    --h1: #14304f; --h2: #1b4677; --h3: #2561a3; --h4: #3b82cb; --h5: #68a6e6; --h6: #a3cdf6; --h7: #e4f2ff;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; background: var(--paper); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", sans-serif;
}
main { max-width: 1024px; margin: 0 auto; padding: 40px 32px 56px; }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 6px; overflow-wrap: anywhere; }
h2 { font-size: 18px; line-height: 1.3; margin: 44px 0 4px; }
p { margin: 0 0 12px; overflow-wrap: anywhere; }
.when { color: var(--quiet); font-size: 14px; margin: 0 0 20px; }
.found { font-size: 18px; margin: 0 0 16px; }
.how, figcaption { color: var(--quiet); font-size: 14px; margin: 0 0 12px; }
ul.notices { list-style: none; margin: 0 0 20px; padding: 0; }
ul.notices li {
  background: var(--warn-paper); border-left: 4px solid var(--warn); border-radius: 0 6px 6px 0;
  padding: 9px 14px; margin: 0 0 8px; font-size: 15px; overflow-wrap: anywhere;
}
ul.notices b { color: var(--warn); }
dl.key { display: grid; grid-template-columns: repeat(auto-fill, minmax(142px, 1fr)); gap: 12px; margin: 24px 0 0; }
dl.key div { background: var(--panel); border: 1px solid var(--hair); border-radius: 8px; padding: 12px 16px; }
dl.key dt { color: var(--quiet); font-size: 13px; }
dl.key dd { margin: 0; font-size: 22px; font-weight: 600; line-height: 1.35; white-space: nowrap; }
dl.key dd.note { font-size: 13px; font-weight: 400; color: var(--quiet); }
figure { margin: 0; }
figure div { overflow-x: auto; }
svg { display: block; width: 100%; min-width: 640px; height: auto; }
svg text { font: 12.5px system-ui, -apple-system, \"Segoe UI\", Roboto, \"DejaVu Sans\", sans-serif; fill: var(--quiet); }
svg text.mark { font-variant-numeric: tabular-nums; }
svg text.name { font-size: 13.5px; font-weight: 600; }
svg text.name.first { fill: var(--first); }
svg text.name.second { fill: var(--second); }
svg text.cross { fill: var(--failed); font-size: 14px; font-weight: 700; }
.grid { stroke: var(--hair); stroke-width: 1; }
.axis { stroke: var(--rule); stroke-width: 1; }
.line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.line.first { stroke: var(--first); }
.line.second { stroke: var(--second); stroke-dasharray: 7 4; }
.asked { stroke: var(--quiet); stroke-width: 1.5; stroke-dasharray: 2 4; }
.area { fill: var(--area); }
circle { stroke: var(--paper); stroke-width: 1.5; }
circle.first { fill: var(--first); }
circle.second { fill: var(--second); }
rect.failed { fill: var(--failed); }
rect.heat { shape-rendering: crispEdges; }
.h1 { fill: var(--h1); } .h2 { fill: var(--h2); } .h3 { fill: var(--h3); } .h4 { fill: var(--h4); }
.h5 { fill: var(--h5); } .h6 { fill: var(--h6); } .h7 { fill: var(--h7); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums; margin: 8px 0 0; }
th, td { padding: 7px 12px; text-align: right; white-space: nowrap; border-bottom: 1px solid var(--hair); vertical-align: top; }
th:first-child, td:first-child { text-align: left; padding-left: 0; }
th:last-child, td:last-child { padding-right: 0; }
thead th { color: var(--quiet); font-weight: 400; font-size: 13px; border-bottom-color: var(--rule); }
tbody th { font-weight: 600; }
.text { text-align: left; white-space: normal; width: 100%; overflow-wrap: anywhere; }
dl.setting { display: grid; grid-template-columns: max-content 1fr; gap: 4px 24px; margin: 8px 0 0; font-size: 15px; }
dl.setting dt { color: var(--quiet); }
dl.setting dd { margin: 0; overflow-wrap: anywhere; }
footer { color: var(--quiet); font-size: 13px; margin: 44px 0 0; padding: 14px 0 0; border-top: 1px solid var(--hair); }
@media (max-width: 560px) { main { padding: 24px 16px 40px; } }
@media print {
  main { max-width: none; padding: 0; }
  figure, table, dl, ul.notices li { break-inside: avoid; }
  h2 { break-after: avoid; }
  * { print-color-adjust: exact; -webkit-print-color-adjust: exact; }
}
";
