"""What is wrong with a page's markup, by the standard library's parser."""

from html.parser import HTMLParser

VOID = {"img", "input", "link", "meta"}
#: Attributes whose address a browser loads by itself.
LOADED = {"src", "srcset", "poster", "data", "background", "action", "formaction"}


class Reader(HTMLParser):
    """Elements in order, with their attributes and own text; and what does not close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self.faults: list[str] = []
        self._open: list[str] = []
        self.feed(page)
        self.close()
        self.faults += [f"<{tag}> is left open" for tag in self._open]

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if len(dict(attrs)) < len(attrs):
            self.faults.append(f"<{tag}> has an attribute twice")
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag):
        if not self._open or self._open.pop() != tag:
            self.faults.append(f"</{tag}> closes nothing")

    def handle_data(self, data):
        self.texts.append(data)

    def values(self, tag: str, attribute: str) -> list[str]:
        return [attrs.get(attribute, "") for name, attrs in self.elements if name == tag]


def faults(page: str) -> list[str]:
    """All that is wrong: nesting, ids, internal links, images, what is loaded, scripts."""
    reader = Reader(page)
    found = list(reader.faults)
    ids = [attrs["id"] for _, attrs in reader.elements if "id" in attrs]
    found += [f"id {one!r} twice" for one in set(ids) if ids.count(one) > 1]
    for tag, attrs in reader.elements:
        if tag == "script" or any(name.startswith("on") for name in attrs):
            found.append(f"<{tag}> runs a script")
        if tag == "img" and not all(attrs.get(name) for name in ("alt", "width", "height")):
            found.append("an image without alt, width or height")
        loaded = [attrs[name] for name in LOADED & set(attrs)]
        href = attrs.get("href", "")
        if tag == "a":
            if href.startswith("#") and href[1:] not in ids:
                found.append(f"{href} leads nowhere")
        else:
            loaded += [href] * ("href" in attrs)
        found += [f"<{tag}> loads {one[:40]}" for one in loaded if not one.startswith("data:")]
        for name in {"for", "aria-labelledby", "aria-describedby"} & set(attrs):
            found += [f"{name}={one!r} is no id" for one in attrs[name].split() if one not in ids]
    style = "".join(page.split("<style>")[1:]).split("</style>")[0]
    found += [f"the style loads something: {word}" for word in ("@import", "url(") if word in style]
    return found
