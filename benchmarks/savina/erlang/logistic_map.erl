-module(logistic_map).
-behaviour(gen_server).
-export([main/2, series/4, init/1, handle_call/3, handle_cast/2]).

main(Series, Terms) ->
    Me = self(),
    Start = fun(N) -> {ok, Pid} = gen_server:start_link(?MODULE, 3.46 + N * 0.0025, []), Pid end,
    Computers = [{N, Start(N)} || N <- lists:seq(0, Series - 1)],
    [spawn_link(?MODULE, series, [N, Me, Pid, Terms]) || {N, Pid} <- Computers],
    Last = [receive {last, N, Term} -> Term end || {N, _} <- Computers],
    [gen_server:stop(Pid) || {_, Pid} <- Computers],
    Last.

series(Number, Boss, Computer, Terms) -> Boss ! {last, Number, terms(Computer, Terms, 0.5)}.

terms(_, 0, Term) -> Term;
terms(Computer, Left, Term) -> terms(Computer, Left - 1, gen_server:call(Computer, Term)).

init(Rate) -> {ok, Rate}.

handle_call(Term, _, Rate) -> {reply, Rate * Term * (1 - Term), Rate}.

handle_cast(_, Rate) -> {noreply, Rate}.
