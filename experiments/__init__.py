"""What only this repository needs: ``docs/results.md`` and its figures, from models/ (``make results``).

- families: models that differ in seed alone, and what they reached together
- literature: other people's numbers, and which of their claims ours bear out
- navigation: paths of the navigation models
- figures, page: SVG and Markdown
"""
