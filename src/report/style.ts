/** The page's only style sheet. No external fonts or files; dark and light follow the reader's system; printing keeps figures whole. */
export const style = `
:root{color-scheme:light dark;--paper:#fdfdfc;--panel:#f5f5f2;--ink:#1b1f24;--soft:#5b636e;--faint:#8b929c;--rule:#e2e2dd;--blue:#1f5fa8;--orange:#b4530a;--green:#1d7a55;--pale-blue:#dbe7f4;--pale-orange:#f8e3d0;--i0:#1f5fa8;--i1:#c8640a;--i2:#1d7a55;--i3:#9a4a86;--i4:#7a6a10;--i5:#5b636e}
@media (prefers-color-scheme:dark){:root{--paper:#15181c;--panel:#1d2126;--ink:#e7e9ec;--soft:#a5adb8;--faint:#7d8590;--rule:#2e343b;--blue:#7ab2ee;--orange:#f0a261;--green:#65c79d;--pale-blue:#21364c;--pale-orange:#46301d;--i0:#7ab2ee;--i1:#f0a261;--i2:#65c79d;--i3:#d993c6;--i4:#d3c05f;--i5:#a5adb8}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.55 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif}
main,header.top,footer{max-width:1080px;margin:0 auto;padding:0 28px}
header.top{padding-top:56px}
h1,h2{font-family:"Iowan Old Style",Charter,"Bitstream Charter",Georgia,"Times New Roman",serif;font-weight:600;line-height:1.2;letter-spacing:-.01em}
h1{font-size:2.3rem;margin:0 0 .5rem;max-width:24em}
h2{font-size:1.5rem;margin:0 0 .3rem}
h3{font-size:.95rem;font-weight:650;margin:0 0 .5rem}
p{margin:.4rem 0 .8rem;max-width:68ch}
.eyebrow{font-size:.8rem;letter-spacing:.08em;text-transform:uppercase;color:var(--soft);margin:0 0 .6rem}
.lead{font-size:1.1rem;color:var(--soft);max-width:62ch}
section{margin:56px 0 0;padding-top:28px;border-top:1px solid var(--rule)}
a{color:var(--blue)}
nav{margin:1.2rem 0 0;font-size:.9rem}
nav ul{list-style:none;display:flex;flex-wrap:wrap;gap:.3rem 1.3rem;margin:0;padding:0}
.math{font-family:"STIX Two Math","Cambria Math",Cambria,"Latin Modern Math",Georgia,serif;font-style:italic;white-space:nowrap}
.math b,.math span{font-style:normal;font-weight:400}
.formula{display:block;font-size:1.08rem;margin:.1rem 0 .35rem;white-space:normal}
.figures{display:grid;grid-template-columns:repeat(4,1fr);gap:1px;background:var(--rule);border:1px solid var(--rule);border-radius:8px;overflow:hidden;margin:28px 0 0}
.figures div{background:var(--paper);padding:14px 18px}
.figures dt{font-size:.82rem;color:var(--soft)}
.figures dd{margin:0;font-size:1.55rem;font-weight:600;font-variant-numeric:tabular-nums;letter-spacing:-.01em}
.figures small{display:block;font-size:.82rem;font-weight:400;color:var(--soft);letter-spacing:0;line-height:1.4}
dl{margin:0}
figure{margin:0;min-width:0}
figcaption{font-size:.86rem;line-height:1.5;color:var(--soft);margin-top:.6rem;max-width:64ch}
figcaption strong{color:var(--ink);font-weight:600}
svg{display:block;width:100%;height:auto}
svg text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,Arial,sans-serif;fill:var(--soft);font-variant-numeric:tabular-nums}
.picture{border-radius:3px;box-shadow:0 0 0 1px var(--rule)}
svg.chart{max-width:440px}
.row{margin-top:34px}
.grid.close{margin-top:8px}
.grid.equal h3{font-weight:500;color:var(--soft)}
.formula .math{white-space:normal}
.chart .middle{text-anchor:middle}.chart .end{text-anchor:end}
.chart .tick line{stroke:var(--rule)}
.chart .axis{stroke:var(--faint)}
.chart .label{fill:var(--ink);font-weight:500}
.chart .mark{stroke:var(--faint);stroke-dasharray:3 3}
.chart .note{font-size:11px;fill:var(--soft)}
.line{fill:none;stroke-width:2;stroke-linejoin:round;stroke-linecap:round}
.ink-0{stroke:var(--i0)}.ink-1{stroke:var(--i1)}.ink-2{stroke:var(--i2)}.ink-3{stroke:var(--i3)}.ink-4{stroke:var(--i4)}.ink-5{stroke:var(--i5)}
.paint-0{background:var(--i0)}.paint-1{background:var(--i1)}.paint-2{background:var(--i2)}.paint-3{background:var(--i3)}.paint-4{background:var(--i4)}.paint-5{background:var(--i5)}
.legend{list-style:none;display:flex;flex-wrap:wrap;gap:.15rem .9rem;padding:0;margin:.3rem 0 0;font-size:.8rem;color:var(--soft)}
.legend li{display:flex;align-items:center;gap:.4rem}
.swatch{width:12px;height:3px;border-radius:2px}
.bar rect{fill:var(--faint);opacity:.55}
.bar.strong rect{fill:var(--blue);opacity:1}.bar.warn rect{fill:var(--orange);opacity:1}
.bar.strong text,.bar.warn text{fill:var(--ink);font-weight:600}
.column{fill:var(--blue)}
.cell.none rect{fill:var(--panel)}.cell.right rect{fill:var(--blue)}.cell.wrong rect{fill:var(--orange)}
.cell text{text-anchor:middle;fill:var(--ink)}
.cell.right text{fill:#fff;font-weight:600}
@media (prefers-color-scheme:dark){.cell.right text{fill:#0d1116}}
.case-head{display:flex;flex-wrap:wrap;align-items:baseline;gap:.2rem .9rem}
.verdict{font-size:.85rem;font-weight:600;color:var(--green)}
.verdict.wrong{color:var(--orange)}
.grid{display:grid;gap:32px;margin-top:22px}
.grid>*,.ideas>*{min-width:0}
sub,sup{line-height:0}
.grid.three{grid-template-columns:1fr 1fr 1.5fr}
.grid.equal{grid-template-columns:repeat(3,1fr)}
.grid.two{grid-template-columns:1fr 1fr}
.tiles{display:grid;grid-template-columns:repeat(10,1fr);gap:14px;list-style:none;margin:14px 0 0;padding:0}
.tile{font-size:.78rem;line-height:1.4;color:var(--soft);font-variant-numeric:tabular-nums;min-width:0}
.tile .picture{margin-bottom:8px}
.tile b{color:var(--ink);font-weight:650;font-size:.88rem}
.tile span.name{display:block;overflow-wrap:anywhere}
.meter{display:block;height:5px;border-radius:3px;background:var(--panel);box-shadow:inset 0 0 0 1px var(--rule);overflow:hidden;margin:3px 0 1px}
.meter span{display:block;height:100%;border-radius:3px}
.meter.weight span{background:var(--blue)}.meter.loss span{background:var(--orange)}
.tile .meter{margin-bottom:5px}
.ranks{max-width:860px}
.ranks th[scope=row]{font-weight:500;font-size:.9rem;color:var(--ink);overflow-wrap:anywhere;min-width:7em}
.ranks td,.ranks th{padding-right:1rem;white-space:nowrap;vertical-align:middle}
.ranks th[scope=row]{white-space:normal}
.ranks .long{width:26%;padding-right:1.4rem}
.ranks .meter{height:8px;margin:0}
p,h1,.about dd{overflow-wrap:anywhere}
.about .facts{grid-template-columns:auto minmax(10.5em,1fr)}
.math{overflow-wrap:normal}
.case-head .note{font-size:.85rem;color:var(--soft)}
.heat-key{display:grid;grid-template-columns:auto 1fr auto;gap:8px;align-items:center;font-size:.78rem;color:var(--soft);margin-top:8px}
.heat-key svg{height:8px}
.ideas{display:grid;grid-template-columns:repeat(2,1fr);gap:22px 40px;margin-top:18px}
.ideas p{font-size:.93rem;color:var(--soft);margin:0}
.facts{display:grid;grid-template-columns:auto 1fr;gap:.15rem 1rem;font-size:.86rem;margin-top:12px;font-variant-numeric:tabular-nums}
.facts dt{color:var(--soft)}.facts dd{margin:0;text-align:right}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:.9rem;font-variant-numeric:tabular-nums;margin-top:.6rem}
th,td{text-align:left;padding:.45rem .9rem .45rem 0;border-bottom:1px solid var(--rule);vertical-align:top}
th{font-weight:600;font-size:.82rem;color:var(--soft)}
td.number,th.number{text-align:right}
.hero{margin:32px 0 0;padding:22px 24px 16px;background:var(--panel);border-radius:10px}
.hero svg.flow text{font-size:13px;fill:var(--soft)}
.hero svg.flow .big{font-size:15px;font-weight:600;fill:var(--ink)}
.flow .ribbon{fill:var(--blue);opacity:.22}
.flow .frame{fill:none;stroke:var(--faint);stroke-opacity:.5;stroke-width:1}
.flow .goal{fill:var(--blue)}
.hero svg.flow .decision{fill:#fff;font-size:40px;font-weight:600;text-anchor:middle}
@media (prefers-color-scheme:dark){.hero svg.flow .decision{fill:#0d1116}}
.hero .tall{display:none}
.empty{font-size:.85rem;color:var(--soft)}
footer{margin-top:64px;padding-bottom:48px;font-size:.84rem;color:var(--soft)}
@media (max-width:860px){.grid.three{grid-template-columns:1fr 1fr}.grid.three>:last-child{grid-column:1/-1}.grid.equal{grid-template-columns:1fr 1fr}.tiles{grid-template-columns:repeat(5,1fr)}.figures{grid-template-columns:1fr 1fr}}
@media (max-width:600px){main,header.top,footer{padding-left:18px;padding-right:18px}header.top{padding-top:32px}table{font-size:.82rem}th,td{padding-right:.5rem}th{font-size:.76rem}h1{font-size:1.7rem}.grid.equal,.grid.two,.ideas{grid-template-columns:1fr}.grid{gap:24px}.tiles{grid-template-columns:repeat(4,1fr);gap:12px 10px}.tile{font-size:.72rem}.tile b{font-size:.78rem}.figures dd{font-size:1.25rem}.figures div{padding:12px 14px}section{margin-top:40px}.hero{margin-left:-18px;margin-right:-18px;border-radius:0;padding:18px}.hero .wide{display:none}.hero .tall{display:block}.ranks thead{display:none}.ranks tr{display:grid;grid-template-columns:auto 1fr auto 1fr;align-items:center;gap:0 .6rem;padding:.45rem 0;border-bottom:1px solid var(--rule)}.ranks th,.ranks td{padding:0;border:0}.ranks th[scope=row]{grid-column:1/-1}.ranks .long{width:auto;padding:0}.ranks td.number{min-width:6.2em;text-align:left}.ranks td.number::before{content:attr(data-name) " ";color:var(--soft)}}
@media print{:root{--paper:#fff;--panel:#f5f5f2}body{font-size:11pt;print-color-adjust:exact;-webkit-print-color-adjust:exact}nav{display:none}figure,.tile,table{break-inside:avoid}h2,h3{break-after:avoid}section{margin-top:24pt}header.top{padding-top:0}}
`;
