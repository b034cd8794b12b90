"""The tools come with the skill; the model picks one of them, and says what came of it."""

from bridle.context import Context
from bridle.grammar.said import Answer, Ask, Call
from bridle.tool import tool


class Account:
    """Money, as long as the program runs."""

    def __init__(self, balance: int) -> None:
        self.balance = balance


ACCOUNT = Account(1000)


@tool(effect="pure")
def check_balance() -> dict[str, int]:
    """Tell the balance of the account."""
    return {"balance": ACCOUNT.balance}


@tool(effect="unsafe")
def deposit(amount: int) -> dict[str, int]:
    """Deposit money into the account."""
    ACCOUNT.balance += amount
    return {"balance": ACCOUNT.balance, "deposited": amount}


@tool(effect="unsafe")
def withdraw(amount: int) -> dict[str, int]:
    """Withdraw money from the account."""
    if amount > ACCOUNT.balance:
        raise ValueError(f"insufficient funds: there are {ACCOUNT.balance}")
    ACCOUNT.balance -= amount
    return {"balance": ACCOUNT.balance, "withdrawn": amount}


TOOLS = (check_balance, deposit, withdraw)


async def run(context: Context) -> str:
    """One transaction, then a word about it."""
    while True:
        match await context.act():
            case Call() as call:
                await context.call(call)
                return await context.reply("Tell the customer what came of it.")
            case Ask(question):
                await context.ask(question)
            case Answer(text):
                return text
