// Says where JSON text is wrong, in words. Browsers say it in three ways, one of them without a place.

class Problem extends Error {
    constructor(message, index) {
        super(message);
        this.index = index;
    }
}

/** What is wrong with the text as `{message, index, line, column}`, or null. The input of a job is a JSON object. */
export function checkInput(text) {
    if (text.trim() === "") return located(text, new Problem('Enter a JSON object, such as {"prompt": "a horse"}.', 0));
    let value;
    try {
        value = JSON.parse(text);
    } catch {
        return located(text, findProblem(text));
    }
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return null;
    const start = text.length - text.trimStart().length;
    return located(text, new Problem('The input must be a JSON object, such as {"prompt": "a horse"}.', start));
}

function located(text, problem) {
    const before = text.slice(0, problem.index);
    const line = before.split("\n").length;
    return { message: problem.message, index: problem.index, line, column: problem.index - before.lastIndexOf("\n") };
}

function findProblem(text) {
    try {
        const scanner = new Scanner(text);
        scanner.value();
        scanner.space();
        if (scanner.at < text.length) throw new Problem("Remove what follows the JSON object.", scanner.at);
    } catch (error) {
        if (error instanceof Problem) return error;
        if (!(error instanceof RangeError)) throw error;
    }
    return new Problem("This is not valid JSON.", 0);
}

class Scanner {
    constructor(text) {
        this.text = text;
        this.at = 0;
    }

    space() {
        while (" \t\n\r".includes(this.text[this.at] ?? "x")) this.at += 1;
    }

    fail(message, index = this.at) {
        throw new Problem(message, index);
    }

    value() {
        this.space();
        const next = this.text[this.at];
        if (next === undefined) this.fail("The text ends where a value is expected.");
        if (next === "{") this.members("}", () => this.member());
        else if (next === "[") this.members("]", () => this.value());
        else if (next === '"') this.string();
        else if (next === "'") this.fail("Use double quotes instead of single quotes.");
        else if (/[-0-9]/.test(next)) this.number();
        else this.word();
    }

    members(end, member) {
        const start = this.at;
        const what = end === "}" ? "object" : "array";
        this.at += 1;
        this.space();
        if (this.text[this.at] === end) {
            this.at += 1;
            return;
        }
        for (;;) {
            member();
            this.space();
            const next = this.text[this.at];
            if (next === end) {
                this.at += 1;
                return;
            }
            if (next === undefined) this.fail(`The ${what} that starts here is not closed: add ${end} at its end.`, start);
            if (next !== ",") this.fail(`Expected a comma, or ${end} at the end of the ${what}.`);
            const comma = this.at;
            this.at += 1;
            this.space();
            if (this.text[this.at] === end) this.fail(`Remove the comma before ${end}.`, comma);
        }
    }

    member() {
        this.space();
        const next = this.text[this.at];
        if (next === undefined) this.fail("The text ends where a key is expected.");
        if (next !== '"') this.fail("A key must be in double quotes.");
        this.string();
        this.space();
        if (this.text[this.at] !== ":") this.fail("Expected a colon after the key.");
        this.at += 1;
        this.value();
    }

    string() {
        const start = this.at;
        for (this.at += 1; this.text[this.at] !== '"'; this.at += 1) {
            const next = this.text[this.at];
            if (next === undefined) this.fail('The string that starts here is not closed: add " at its end.', start);
            if (next === "\n") this.fail("A string ends on its line: close it, or write \\n for a line break.", start);
            if (next < " ") this.fail("A control character in a string must be escaped, such as \\t for a tab.");
            if (next !== "\\") continue;
            this.at += 1;
            const escape = this.text[this.at];
            if (escape === "u") {
                if (!/^[0-9a-fA-F]{4}/.test(this.text.slice(this.at + 1))) this.fail("\\u needs four hexadecimal digits.");
                this.at += 4;
            } else if (escape === undefined || !'"\\/bfnrt'.includes(escape)) {
                this.fail("Write \\\\ for a backslash.", this.at - 1);
            }
        }
        this.at += 1;
    }

    number() {
        const [found] = /^[-+.\w]+/.exec(this.text.slice(this.at));
        if (!/^-?(0|[1-9]\d*)(\.\d+)?([eE][-+]?\d+)?$/.test(found)) this.fail(`${found} is not a number in JSON.`);
        this.at += found.length;
    }

    word() {
        const found = /^[\p{L}\p{N}_$]+/u.exec(this.text.slice(this.at))?.[0];
        if (found === undefined) this.fail("Expected a value here.");
        if (["true", "false", "null"].includes(found)) {
            this.at += found.length;
            return;
        }
        const meant = { True: "true", False: "false", None: "null" };
        if (Object.hasOwn(meant, found)) this.fail(`Write ${meant[found]} instead of ${found}.`);
        this.fail(`Put text in double quotes: ${found.slice(0, 30)} is not a value in JSON.`);
    }
}
