"""Nothing -> the style sheet of every page: light, dark and on paper. A tone (pass ... error) colours what is in it."""

STYLE = r"""
:root{color-scheme:light dark;--bg:#f6f6f3;--card:#fff;--ink:#1c1d20;--soft:#62656d;--line:#e3e3de;
--pass:#1d6b43;--redact:#1f5d93;--review:#8a5a00;--block:#a4262c;--error:#6a3d8c;--wash:12%}
@media(prefers-color-scheme:dark){:root{--bg:#141518;--card:#1d1f23;--ink:#ececea;--soft:#a0a4ac;--line:#32353b;
--pass:#6fcf9b;--redact:#7fb8ec;--review:#e9b64f;--block:#f08a8a;--error:#c9a2e8;--wash:16%}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);font:16px/1.55 system-ui,"Segoe UI","Noto Sans",
"Noto Sans Devanagari",
"Nirmala UI",sans-serif;-webkit-text-size-adjust:100%}
main{max-width:54rem;margin:0 auto;padding:2.5rem 1.25rem 4rem}
main.wide{max-width:76rem}
h1{font-size:1.35rem;font-weight:600;line-height:1.3;margin:0 0 .25rem;overflow-wrap:anywhere}
h2{font-size:.8rem;font-weight:600;letter-spacing:.08em;text-transform:uppercase;color:var(--soft);
margin:2.75rem 0 .75rem}
:lang(hi) h2{font-size:.95rem;letter-spacing:0}
p{margin:.35rem 0}a{color:var(--redact);text-underline-offset:.15em}
.soft{color:var(--soft)}.small{font-size:.86rem}
.pass{--tone:var(--pass)}.redact{--tone:var(--redact)}.review{--tone:var(--review)}
.block{--tone:var(--block)}.error{--tone:var(--error)}.strip{--tone:var(--redact)}.note{--tone:var(--soft)}
.banner{display:flex;gap:1.15rem;align-items:center;margin:1.5rem 0 0;padding:1.4rem 1.5rem;border-radius:14px;
background:color-mix(in srgb,var(--tone) var(--wash),var(--card));border:1px solid color-mix(in srgb,
var(--tone) 38%,transparent)}
.banner .mark{flex:none;width:3.1rem;height:3.1rem;border-radius:50%;background:var(--tone);color:var(--card);
font-size:1.65rem;font-weight:700;display:grid;place-items:center;line-height:1}
.banner strong{display:block;font-size:1.7rem;line-height:1.2;letter-spacing:-.01em;color:var(--tone)}
.banner p{margin:.3rem 0 0}
.card{background:var(--card);border:1px solid var(--line);border-radius:12px;padding:1.1rem 1.3rem;margin:.75rem 0}
.reason{border-left:5px solid var(--tone)}
.reason .found{font-size:1.08rem;font-weight:600;margin:.45rem 0 .1rem;overflow-wrap:anywhere}
.todo{margin-top:.7rem;padding-top:.7rem;border-top:1px solid var(--line)}
.todo b{font-weight:600}
.badge{display:inline-block;font-size:.8rem;font-weight:600;line-height:1;padding:.36rem .6rem;border-radius:99px;
white-space:nowrap;
color:var(--tone);background:color-mix(in srgb,var(--tone) var(--wash),var(--card))}
.clause{font-size:.88rem;color:var(--soft);margin-left:.6rem}
.thumbs{display:flex;flex-wrap:wrap;gap:.7rem;margin:.8rem 0 0;padding:0;list-style:none}
.thumbs img{display:block;width:104px;height:104px;object-fit:cover;border-radius:8px;background:var(--line)}
.thumbs span{display:block;font-size:.78rem;color:var(--soft);margin-top:.25rem;font-variant-numeric:tabular-nums}
table{width:100%;border-collapse:collapse;font-size:.94rem}
th{text-align:left;font-weight:600;font-size:.8rem;color:var(--soft);padding:.55rem .8rem;
border-bottom:1px solid var(--line)}
td{padding:.6rem .8rem;border-bottom:1px solid var(--line);vertical-align:top;overflow-wrap:anywhere}
tbody tr:last-child td{border-bottom:0}td.n{font-variant-numeric:tabular-nums;white-space:nowrap}
.table{padding:.3rem .5rem;overflow-x:auto}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.4rem 1.3rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
code{font:.8rem/1.5 ui-monospace,"Cascadia Mono",Menlo,Consolas,"Noto Sans Mono",monospace;overflow-wrap:anywhere}
ul.plain{margin:0;padding-left:1.15rem}ul.plain li{margin:.2rem 0;overflow-wrap:anywhere}
.fine{font-size:.84rem;color:var(--soft)}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin:1.4rem 0 0}
.tile{flex:1 1 8rem;background:var(--card);border:1px solid var(--line);border-top:4px solid var(--tone,
var(--line));border-radius:12px;
padding:.8rem 1rem}
.tile b{display:block;font-size:1.8rem;line-height:1.15;font-weight:650;color:var(--tone,var(--ink));
font-variant-numeric:tabular-nums}
.filter{display:grid;gap:.6rem;margin:1.6rem 0 .8rem}.filter[hidden]{display:none}
.filter>div{display:flex;flex-wrap:wrap;gap:.5rem;align-items:baseline}
.filter input{font:inherit;font-size:.88rem;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:8px;padding:.3rem .6rem;width:16rem}
.list table,.list thead,.list tbody{display:block;min-width:70rem}
.list tr{display:grid;border-bottom:1px solid var(--line)}
.list tr{grid-template-columns:76px minmax(13rem,3fr) 5.5rem 6.5rem 12.5rem minmax(19rem,4fr) 9rem}
.list tbody tr{content-visibility:auto;contain-intrinsic-size:auto 5rem}.list tr[hidden]{display:none}
.list td,.list th{border:0}.list tbody tr:last-child{border-bottom:0}
.list th button{font:inherit;color:inherit;background:none;border:0;padding:0;cursor:pointer}
.list th[aria-sort=ascending] button::after{content:" \25b2"}
.list th[aria-sort=descending] button::after{content:" \25bc"}
.filter button{font:inherit;font-size:.88rem;color:inherit;background:var(--card);border:1px solid var(--line);
border-radius:99px;
padding:.3rem .95rem;cursor:pointer}
.filter button[aria-pressed=true]{background:var(--ink);color:var(--bg);border-color:var(--ink)}
td.thumb{width:76px}td.thumb img{display:block;width:56px;height:56px;object-fit:cover;border-radius:7px}
td.name{min-width:13rem}td.reasons{min-width:19rem}.nowrap{white-space:nowrap}
td .why{margin:0 0 .3rem}td .why:last-child{margin:0}
@media(max-width:36rem){main{padding-top:1.4rem}.banner{padding:1.1rem}.banner strong{font-size:1.35rem}dl{
grid-template-columns:1fr;gap:.1rem}
dd{margin-bottom:.5rem}}
@media print{:root{color-scheme:light;--bg:#fff;--card:#fff}body{font-size:11pt}main,main.wide{max-width:none;
padding:0}
.banner,.tile,.badge,.mark{print-color-adjust:exact;-webkit-print-color-adjust:exact}.card,.banner,tr{
break-inside:avoid}
h2{break-after:avoid}.filter{display:none}}
"""
