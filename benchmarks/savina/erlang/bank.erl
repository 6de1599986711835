-module(bank).
-behaviour(gen_server).
-export([main/2, init/1, handle_call/3, handle_cast/2]).

main(Accounts, Transactions) ->
    Start = fun() -> {ok, Pid} = gen_server:start_link(?MODULE, 1000000, []), Pid end,
    Pids = list_to_tuple([Start() || _ <- lists:seq(1, Accounts)]),
    teller(lehmer:seed(Accounts), Pids, Accounts, Transactions, 0),
    All = tuple_to_list(Pids),
    Balances = [gen_server:call(Pid, balance) || Pid <- All],
    [gen_server:stop(Pid) || Pid <- All],
    [lists:sum(Balances), lehmer:checksum(Balances)].

teller(_, _, _, 0, 0) -> ok;
teller(State, Pids, Accounts, Left, UnderWay) when Left =:= 0; UnderWay =:= 50 ->
    receive paid -> teller(State, Pids, Accounts, Left, UnderWay - 1) end;
teller(State, Pids, Accounts, Left, UnderWay) ->
    [First, Second, Third] = lehmer:take(3, State),
    Source = First rem (Accounts * 8 div 10),
    Target = Source + max(1, Second rem (Accounts - Source)),
    gen_server:cast(element(Source + 1, Pids), {pay, Third rem 1000, element(Target + 1, Pids), self()}),
    teller(Third, Pids, Accounts, Left - 1, UnderWay + 1).

init(Balance) -> {ok, Balance}.

handle_call({credit, Amount}, _, Balance) -> {reply, received, Balance + Amount};
handle_call(balance, _, Balance) -> {reply, Balance, Balance}.

handle_cast({pay, Amount, Other, Teller}, Balance) ->
    received = gen_server:call(Other, {credit, Amount}),
    Teller ! paid,
    {noreply, Balance - Amount}.
