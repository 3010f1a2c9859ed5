"""Report -> text. JSON is the truth; everything else is made from the JSON document and from nothing else.

A format for one input is a function document -> str and one line in FORMATS; one for a whole batch is a function
documents -> str and one line in SUMMARIES.
"""

FORMATS = {
    "json": "media_screen.report.json_report:dumps",
    "html": "media_screen.report.html_report:render",
    "text": "media_screen.report.text_report:render",
}

# format -> (file in the output folder, function)
SUMMARIES = {
    "html": ("index.html", "media_screen.report.html_report:index_html"),
    "csv": ("summary.csv", "media_screen.report.csv_report:render"),
    "json": ("summary.json", "media_screen.report.json_summary:render"),
}
