"""Files: list, find, search, read, write."""

from __future__ import annotations

from intents import Args, Intent, listing
from values import Values


def _lines(values: Values, _: Args) -> str:
    if values.chance(0.15):
        return "nothing"
    return listing(values, lambda: f"{values.file()}:{values.random.randint(1, 40)}: {values.phrase()}")


def _text(values: Values) -> str:
    return values.pick([values.word(), values.word(), values.phrase(), values.code(), values.name()])


FILES: tuple[Intent, ...] = (
    Intent(
        "list_files",
        {},
        (
            "(list|show|display|print|give|tell) [me] [all] [of] (the|my) (files|documents) [here|in here|in this folder]",
            "(what|which) files (are|do we have|do I have|are there|have I got) [here|in here|in this folder|in the workspace]?",
            "what is (in|inside) (this folder|the folder|the workspace|here)?",
            "(show|list) [me] (the|this) (folder|directory|workspace)",
            "(ls|dir|files|list everything [here]|show everything [here])",
            "(what|which) (documents|files) exist [here]?",
            "I want to see (all|the|my) files",
            "give me (an overview|a list) of (the|my|all) files",
            "(I wonder|tell me|say) (what|which) (files|documents) (there are|we have|are here)",
            "(count|name|type out) [all] (the|my) (files|documents) [that are here|in this place]",
            "(may|can) I see (the|my|all) (files|documents)?",
            "(everything|all|whatever) (that is here|in this folder)",
            "(browse|look at|go through) (the|this) (folder|directory)",
            "(how many|what kind of) files (are here|do I have)?",
        ),
        ("Give me a listing of the files", "What have we got in the workspace?", "Enumerate the documents"),
        lambda v, _: listing(v, v.file, 1),
        "The files are:",
    ),
    Intent(
        "list_files",
        {"folder": Values.folder},
        (
            "(list|show|display|print|give) [me] [all] [of] (the|my) files (in|inside|of|under) [the folder|the directory] {folder}",
            "(what|which) files (are|do I have|are there) (in|inside|under) [the folder|the directory] {folder}?",
            "what is (in|inside) [the folder|the directory] {folder}?",
            "(show|open|list) [me] the {folder} (folder|directory)",
            "(ls|dir|list) {folder}",
            "what does [the folder|the directory] {folder} (contain|hold|have)?",
            "(look|go) into [the folder|the directory] {folder} and (list|show) (the|all) files",
            "(browse|inspect|check|look at) [the folder|the directory] {folder}",
            "(everything|all files|whatever is) (in|under) {folder}",
            "(I want|I need|I would like) to (see|know) what is (in|inside|under) {folder}",
            "{folder}: (what is in it|which files are there|show it)?",
            "(is|are) there (anything|something|files) (in|inside|under) {folder}?",
        ),
        ("Take a look inside {folder} and list it", "What lives in the directory {folder}?"),
        lambda v, _: listing(v, v.file, 1),
        "The files are:",
    ),
    Intent(
        "find_files",
        {"name": lambda v: v.pick([v.file(), v.word(), v.word()])},
        (
            "(find|look for|locate|search for|seek|get) [me] (a|the|my|any) (file|document) [named|called|with the name] {name}",
            "(find|locate|search for|look for) [me] (files|documents) (named|called|with the name|whose name is) {name}",
            "where (is|did I put|did I save|can I find) [the file|my file|the document] {name}?",
            "(do I|do we) have (a|any) (file|document) (called|named) {name}?",
            "is there (a|any) (file|document) [called|named] {name} [here|somewhere]?",
            "(which|what) files have {name} in (their|the) name?",
            "(find|locate) {name}",
            "I (am looking for|cannot find|need|lost) (a|the|my) (file|document) [called|named] {name}",
            "(search|look through|check) (my|the|all) files for (a file|one) (named|called) {name}",
            "(hunt for|fetch|seek out|retrieve) [the file|the document|my file] {name}",
            "(someone|I) (moved|misplaced|hid|saved) {name}, (where is it|find it)",
            "(tell me|show me|I want to know) where [the file|the document] {name} (is|lies|went)",
            "(has anyone|have you) seen [the file|my file|the document] {name}?",
            "(does|did) (a|any|the) (file|document) (called|named) {name} exist?",
            "in which folder is {name}?",
            "{name}: where (is it|is that file|did I put it)?",
        ),
        (
            "Can you dig up the file {name}?",
            "The file {name} got lost, where might it be?",
            "Track down {name} on disk",
        ),
        lambda v, _: listing(v, v.file) if v.chance(0.85) else "nothing",
        "I found:",
        {
            "name": (
                "(find|look for|locate|search for) (a|some|my) (file|document) [for me]",
                "I (am looking for|need|lost|cannot find) (a|some|my) (file|document)",
                "(fetch|hunt for|help me find|can we find) (a|some|my) (file|document)",
                "where is (my|that|the) file?",
            )
        },
    ),
    Intent(
        "search_text",
        {"text": _text},
        (
            "(search|look|check) (for|after) (the text|the words|the word|mentions of) {text} [in (my|the|all) files]",
            "(which|what) (files|documents|lines) (mention|contain|say|talk about|have the words|have the text|include) {text}?",
            "(find|show|list|get) [me] (the|all) lines (that|which) (contain|mention|say|have) {text}",
            "(grep|grep for) {text}",
            "where does it (say|mention|talk about) {text}?",
            "(search|look through|go through|scan) the (contents|text|insides) of (my|the|all) files for {text}",
            "look inside (my|the|all) (files|documents) for {text}",
            "(do|does) any [of my] (files|file|document) (mention|contain|say) {text}?",
            "in which (file|document) (is|do I find|can I read about) {text}?",
            "(is|are) {text} mentioned (anywhere|somewhere|in my files|in a file)?",
            "(who|what) (wrote|says|mentions) {text} in (the|my) files?",
            "(I am looking for|I need) (the place|the line|the file) (that says|that mentions|with the words) {text}",
            "(every|each|any) (line|place|file) (with|that has|that mentions) {text}",
            "(hunt|scan|check) (the|my|all) (documents|files|texts) for {text}",
            "(did|does) (somebody|anybody|a file) (write|say) (something|anything) about {text}?",
            "{text}: (in which file|where is that written|which document says so)?",
        ),
        ("Does one of the papers speak of {text}?", "Comb through all documents for {text}"),
        _lines,
        "I found:",
        {
            "text": (
                "(search|look) (inside|in|through) (my|the|all) files",
                "(search|go through) the (contents|text) of (my|the) files",
                "(which|what) (files|lines) mention it?",
                "grep (my|the) files",
                "(hunt|scan|check) (the|my) (files|documents) for something",
            )
        },
    ),
    Intent(
        "read_file",
        {"path": Values.file},
        (
            "(read|open|show|print|display|view) [me] [the file|the document|my file] {path}",
            "what (does|did) [the file|the document] {path} say?",
            "what is (in|inside|written in) [the file|the document] {path}?",
            "(cat|type|read out|open up) {path}",
            "tell me what [the file] {path} (says|contains)",
            "(show|give|tell) me the (contents|text) of {path}",
            "I (want|need|would like) to (see|read|view) {path}",
            "let me (see|read) {path}",
            "what (are the contents|is the text|is the content) of {path}?",
            "have a look (at|into) {path}",
            "(load|fetch|bring up|grab|inspect|review) [the file|the document] {path}",
            "(I have not read|I forgot what is in|remind me what is in) {path}",
            "{path}: (what does it say|read it|what is in it)?",
            "(may I see|can I read|could I look at) {path}?",
            "what (do we have|did I write|was written|can I read) in {path}?",
            "(read|say) {path} (aloud|to me|out loud)",
        ),
        ("Pull up {path} and recite it", "What words stand in {path}?"),
        lambda v, _: "\n".join(v.sentence() for _ in range(v.random.choice([1, 1, 2]))),
        "The file says:",
        {
            "path": (
                "(read|open|show me|print) (a|the|that|my) (file|document)",
                "what does (the|that) (file|document) say?",
                "(read|open) it [to me]",
                "(load|inspect|review|bring up) (a|the|that|my) (file|document)",
            )
        },
    ),
    Intent(
        "write_file",
        {"path": Values.file, "content": Values.sentence},
        (
            "(write|save|put|store) {content} (to|in|into|as) [the file|a file named|a file called] {path}",
            "(create|make|write) [the file|a file|a new file] {path} (with the text|that says|saying|containing|with) {content}",
            "(create|make|write) (the file|a file|a new file) (named|called) {path} (with the text|that says|saying) {content}",
            "(write|create|save|new file) {path}: {content}",
            "(I want|I need|there should be) a file [called|named] {path} (with the text|that says|containing) {content}",
            "(let|make) the file {path} say {content}",
            "{path} (should|must|has to) say {content}",
            "(type|insert|drop|file) {content} (into|in) [the file|a file called] {path}",
            "(fill|start|begin) {path} with {content}",
            "{content}: (save|put|write|keep) (that|this) (in|to|as) {path}",
            "(keep|hold on to) {content} in [a file called|the file] {path}",
            "I (want|need|would like) {content} (saved|written|stored|put) (in|to|into) {path}",
            "(the text|the words) {content} (goes|go|belong|should go) (in|into) {path}",
            "new file {path}, (text|content|it says): {content}",
        ),
        ("Store {content} under the name {path}", "Compose {path}, reading {content}"),
        lambda _, a: f"Wrote {a['path']}",
        "",
        {
            "content": (
                "(create|make|write|start) [the file|a file called|a new file] {path}",
                "I need a file [called|named] {path}",
                "(fill|begin|type something into) {path}",
            ),
            "path": ("(write|save|put|store) {content} (to|in|into) a [new] file",),
        },
    ),
)
