/// The page's looks, and its words on method.
enum ReportStyle {
    /// Colours after Okabe and Ito, told apart by all kinds of sight; lines differ by dashes as well.
    static let sheet = """
        :root{--bg:#f6f7f9;--card:#fff;--ink:#1b222c;--muted:#5d6877;--rule:#dfe3e9;--bad:#b3261e;--best:#e8f1ea;\
        --s0:#0072b2;--s1:#e69f00;--s2:#009e73;--s3:#cc5f9b;--s4:#56b4e9;--s5:#8a6d3b}
        @media(prefers-color-scheme:dark){:root{--bg:#12161c;--card:#1b2129;--ink:#e6eaf0;--muted:#9aa6b5;--rule:#303945;\
        --bad:#ff8a80;--best:#203a2b;--s0:#4da6ff;--s1:#f0b429;--s2:#2fc79a;--s3:#ee8fc0;--s4:#9bd7ff;--s5:#c7a86b}}
        *{box-sizing:border-box}
        body{margin:0;background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,\
        "DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
        header,main{max-width:1240px;margin:0 auto;padding:0 16px}
        header{padding-top:28px}
        h1{font-size:28px;line-height:1.2;margin:0 0 4px;letter-spacing:-.01em}
        h2{font-size:19px;line-height:1.3;margin:0 0 8px}
        h2 small{display:block;font-size:13px;font-weight:400;color:var(--muted)}
        p{margin:0 0 12px;max-width:85ch}
        .muted{color:var(--muted)}
        .note{border-left:3px solid var(--s1);padding-left:10px}
        .verdict{font-size:16px}
        section{background:var(--card);border:1px solid var(--rule);border-radius:10px;padding:18px 20px;margin:16px 0}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:6px 22px;margin:12px 0 0;padding:0}
        .legend li{display:flex;align-items:center;gap:7px}
        .swatch{display:inline-block;width:12px;height:12px;border-radius:3px;margin-right:6px;flex:none}
        .legend .swatch{margin:0}
        .b0{background:var(--s0)}.b1{background:var(--s1)}.b2{background:var(--s2)}
        .b3{background:var(--s3)}.b4{background:var(--s4)}.b5{background:var(--s5)}
        .charts{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(300px,100%),1fr));gap:20px 28px;align-items:start}
        svg{display:block;width:100%;max-width:460px;height:auto;overflow:visible}
        svg text{fill:var(--ink);font-size:12px}
        svg .title{font-weight:600}
        svg .tick,svg .muted{fill:var(--muted);font-size:11px}
        svg .value{font-weight:600}
        .grid{stroke:var(--rule);stroke-width:1}
        .fill{stroke:none}
        .fill.s0{fill:var(--s0)}.fill.s1{fill:var(--s1)}.fill.s2{fill:var(--s2)}
        .fill.s3{fill:var(--s3)}.fill.s4{fill:var(--s4)}.fill.s5{fill:var(--s5)}
        .line{fill:none;stroke-width:2;stroke-linejoin:round}
        .line.s0{stroke:var(--s0)}.line.s1{stroke:var(--s1);stroke-dasharray:7 3}.line.s2{stroke:var(--s2);stroke-dasharray:2 2}
        .line.s3{stroke:var(--s3);stroke-dasharray:9 3 2 3}.line.s4{stroke:var(--s4)}.line.s5{stroke:var(--s5);stroke-dasharray:4 4}
        .scroll{overflow-x:auto;margin:8px 0}
        table{border-collapse:collapse;font-size:13.5px;white-space:nowrap}
        th,td{padding:5px 12px 5px 0;text-align:right;border-bottom:1px solid var(--rule)}
        th{font-weight:600}
        thead th{color:var(--muted);font-weight:500;white-space:normal;vertical-align:bottom;min-width:72px}
        tr>th:first-child{text-align:left;padding-right:20px}
        td.best{font-weight:700;background:var(--best)}
        td.best,td.bad,td{padding-left:8px}
        .bad{color:var(--bad);font-weight:700}
        details{margin-top:10px}
        summary{cursor:pointer;color:var(--muted);font-size:14px}
        pre{background:var(--bg);border:1px solid var(--rule);border-radius:6px;padding:10px 12px;overflow-x:auto;font-size:13px}
        .settings{display:grid;grid-template-columns:minmax(90px,max-content) 1fr;gap:3px 18px;margin:0 0 14px}
        dt{color:var(--muted)}dd{margin:0;overflow-wrap:anywhere}
        .counters{columns:3 260px;column-gap:32px;font-size:13px;margin:8px 0}
        .counters div{display:flex;justify-content:space-between;gap:12px;break-inside:avoid;border-bottom:1px solid var(--rule)}
        @media(max-width:500px){section{padding:14px 12px;border-radius:8px}header,main{padding-left:10px;padding-right:10px}\
        header{padding-top:18px}.settings{grid-template-columns:1fr}.settings dd{margin-bottom:6px}}
        @media print{body{background:#fff}section{break-inside:avoid}}
        """

    /// How it was measured.
    static let method = [
        "Each backend runs on a node of its own, started afresh with an empty data directory, one after the other. The load "
            + "driver shares the machine with the node; where it was the limit, the text says so.",
        "Requests a second are measured with every connection's window full (closed loop). Latency is measured apart, at a "
            + "steady rate below that capacity, and counts from when a request was due, not from when it could be sent: a "
            + "stall is seen by every request that should have begun in it (no coordinated omission). Every reply is checked "
            + "against the key it belongs to. Half of a value's bytes are random, half compress.",
        "kill -9 ends a process, not the machine: what the system had taken from it is still written. A power cut is "
            + "simulated by a library between the node and its files, which takes back what was not synced, torn in "
            + "sectors and with renames undone; the project's tests make many such cuts at every sync.",
        "One run on a shared machine: differences below a tenth are noise.",
    ]
}
